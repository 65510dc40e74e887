-- How the answers of a roll-out's two versions compare on what was asked before; NULL until it is known.
ALTER TABLE rollouts ADD COLUMN "comparison" TEXT;

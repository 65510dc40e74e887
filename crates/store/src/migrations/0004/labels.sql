-- Labels are counted by their value before runs are looked up by them. An index that has the whole value answers that by
-- itself, without a look at each run's own labels. Long values are found no such way.
DROP INDEX run_params_by_value;
DROP INDEX run_tags_by_value;
CREATE INDEX run_params_by_value ON run_params ("key", "value") WHERE length("value") <= 250;
CREATE INDEX run_tags_by_value ON run_tags ("key", "value") WHERE length("value") <= 250 AND substr("key", 1, 7) <> 'mlflow.';
-- Runs that are walked in the order of their start are passed over without a look at their row when the index says that
-- they are deleted, or their labels say that they are not wanted.
DROP INDEX tracked_runs_by_start;
CREATE INDEX tracked_runs_by_start ON tracked_runs ("experiment", "start_time" DESC, "run_id", "lifecycle");

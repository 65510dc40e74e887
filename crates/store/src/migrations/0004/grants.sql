-- Roles of MLflow's, what they permit, and who holds them.
CREATE TABLE roles (
    "id" @serial@,
    "project" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT,
    UNIQUE ("project", "name")
);
CREATE TABLE role_permissions (
    "id" @serial@,
    "role" BIGINT NOT NULL REFERENCES roles ("id") ON DELETE CASCADE,
    "resource_type" TEXT NOT NULL,
    "resource_pattern" TEXT NOT NULL,
    "permission" TEXT NOT NULL,
    UNIQUE ("role", "resource_type", "resource_pattern")
);
CREATE TABLE role_users (
    "id" @serial@,
    "user" BIGINT NOT NULL REFERENCES users ("id") ON DELETE CASCADE,
    "role" BIGINT NOT NULL REFERENCES roles ("id") ON DELETE CASCADE,
    UNIQUE ("user", "role")
);
CREATE INDEX role_users_by_role ON role_users ("role");

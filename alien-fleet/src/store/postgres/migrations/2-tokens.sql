-- The tokens of operators: who has each, what it gives, and its SHA-256.
CREATE TABLE token (LIKE product INCLUDING ALL);

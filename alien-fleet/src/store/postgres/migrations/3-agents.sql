-- Deployments that pull their releases: what is known of their agents, and what these are asked.
CREATE TABLE agent (LIKE product INCLUDING ALL);
CREATE TABLE request (LIKE product INCLUDING ALL);

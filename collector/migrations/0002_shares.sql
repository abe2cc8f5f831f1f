-- What people have said something of is counted and let go apart from the rest.
CREATE INDEX episodes_with_verdict ON episodes (id) WHERE verdict IS NOT NULL;
CREATE INDEX verdicts_by_time ON verdicts (at_us);

-- What an agent says of an anomaly beyond the columns: one JSON object, NULL for none.
ALTER TABLE episodes ADD COLUMN extras TEXT;
-- The oldest program that may use this database, by the newest schema it knows. A migration that such a program would
-- trip over raises it; one that only adds tables, and columns that may be NULL, leaves it.
INSERT INTO meta (name, value) VALUES ('oldest_schema', '4');

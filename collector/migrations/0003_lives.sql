-- What an agent's births say of who runs under its name: the life of the newest, the one before it, and when an earlier
-- life was last heard again, which only happens when two agents share the name.
ALTER TABLE agents ADD COLUMN life TEXT;
ALTER TABLE agents ADD COLUMN life_before TEXT;
ALTER TABLE agents ADD COLUMN contested_us BIGINT;

//! Where every server's results meet: broker, store, queries, API.

//! Line formats. Parsing never fails: a line that its format does not fit is a record with a fault.

pub mod csv;

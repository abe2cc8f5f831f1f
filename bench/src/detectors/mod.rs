//! What is compared: each detector says of every record of every stream whether it is an alert.

mod budget;
pub(crate) mod gaussian;
pub(crate) mod oddline;

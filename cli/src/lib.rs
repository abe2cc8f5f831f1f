//! What every program of the project does on a command line and beside a service manager: man pages and completions, exit
//! codes, aligned columns, metrics, what systemd is told. Knows no program and no option.

pub mod compressed;
pub mod exit;
pub mod metrics;
pub mod notify;
pub mod pages;
pub mod table;

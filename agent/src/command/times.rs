//! How the times of a log are read that is judged offline: what a `[[source]]` says in `utc_offset`, `zones` and
//! `date_order`.

use oddline_core::{
    format::{DateOrder, TimeOptions, ZoneNameError, ZoneNames},
    time::UtcOffset,
};

/// How times are read.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct TimeArgs {
    /// Offset from UTC of times that name no zone, such as +01:00
    #[arg(long, value_name = "+HH:MM", allow_hyphen_values = true)]
    pub utc_offset: Option<UtcOffset>,
    /// What is meant by the name of a zone, such as IST=+02:00; may be given again
    #[arg(long, value_name = "NAME=+HH:MM")]
    pub zone: Vec<ZoneNames>,
    /// The order of numbers in dates such as 03/04/2026 [default: as the lines show it]
    #[arg(long, value_name = "day-first|month-first|year-first")]
    pub date_order: Option<DateOrder>,
}

impl TimeArgs {
    /// The same for the reader.
    ///
    /// # Errors
    /// When they name too many zones.
    pub fn options(&self) -> Result<TimeOptions, ZoneNameError> {
        let zones = self.zone.iter().try_fold(ZoneNames::default(), ZoneNames::with)?;
        let offset_s = self.utc_offset.unwrap_or_default().seconds();
        Ok(TimeOptions { offset_s, zones, date_order: self.date_order })
    }
}

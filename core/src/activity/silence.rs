//! Pauses: when one is too long, whose it is, and that it is over.

use std::sync::Arc;

use super::{
    ActivityNotice, SilentStream, SourceActivity,
    pauses::PAUSE_MIN_S,
    streams::{ServerActivity, SilenceState},
    watermark::WatermarkProgress,
};
use crate::{stream::StreamName, time::EventTime};

impl SourceActivity {
    /// The record's stream has spoken: a pause is over, and with it perhaps a silence.
    pub(super) fn end_pause(
        &mut self,
        slot: usize,
        progress: WatermarkProgress,
        at: EventTime,
        time: EventTime,
        out: &mut Vec<ActivityNotice>,
    ) {
        let voice = &mut self.voices[slot];
        let pause = at.seconds_since(voice.waited_from(self.resumed));
        let stepped = matches!(progress, WatermarkProgress::On(step) if step > PAUSE_MIN_S);
        let usual = if stepped { voice.rhythm.usual_s() } else { None };
        if stepped && usual.is_none_or(|usual| pause > usual) {
            self.resumed = Some(at);
        }
        // A pause of the source says nothing about the stream, unless it is all that the source ever does.
        if usual.is_none_or(|usual| pause <= usual) {
            voice.rhythm.pause(pause);
        }
        voice.heard = at;
        voice.last = voice.last.max(time);
        for (told, by_clock) in [(&mut voice.told, false), (&mut voice.told_by_clock, true)] {
            if core::mem::take(told) == SilenceState::Itself {
                out.push(ActivityNotice::Spoke { stream: Arc::clone(&voice.name), time, by_clock });
            }
        }
        let server = voice.server as usize;
        let ServerActivity { quiet, quiet_by_clock, .. } = self.servers[server];
        if quiet || quiet_by_clock {
            self.end_server_pause(server, at, time, out);
        }
    }

    fn end_server_pause(&mut self, slot: usize, at: EventTime, time: EventTime, out: &mut Vec<ActivityNotice>) {
        let server = &mut self.servers[slot];
        let (quiet, by_clock) = (core::mem::take(&mut server.quiet), core::mem::take(&mut server.quiet_by_clock));
        let stream = whole(server);
        for by_clock in [quiet.then_some(false), by_clock.then_some(true)].into_iter().flatten() {
            out.push(ActivityNotice::Spoke { stream: Arc::clone(&stream), time, by_clock });
        }
        for voice in self.voices.iter_mut().filter(|v| v.server as usize == slot) {
            if voice.told_by_clock == SilenceState::WithServer {
                voice.told_by_clock = SilenceState::No;
            }
            // Each of its streams has its own time to come back.
            if quiet && voice.told != SilenceState::Itself {
                voice.told = SilenceState::No;
                voice.heard = at;
            }
        }
    }

    pub(super) fn look(&mut self, at: EventTime, out: &mut Vec<ActivityNotice>) {
        if self.look_again.is_none_or(|next| at > next) {
            self.look_again = Some(self.find_silent(at, false, out));
        }
    }

    /// Tells of every stream whose deadline `until` has passed; gives the next instant at which one may.
    pub(super) fn find_silent(&mut self, until: EventTime, by_clock: bool, out: &mut Vec<ActivityNotice>) -> EventTime {
        // Whoever speaks from now on has at least that long.
        let mut next = until.plus_seconds(PAUSE_MIN_S);
        let mut overdue = Vec::new();
        for (slot, voice) in self.voices.iter().enumerate() {
            let told = if by_clock { voice.told_by_clock } else { voice.told };
            if told != SilenceState::No {
                continue;
            }
            let soonest = voice.waited_from(self.resumed).plus_seconds(PAUSE_MIN_S);
            if soonest >= until {
                next = next.min(soonest);
                continue;
            }
            match voice.deadline(self.resumed) {
                Some(deadline) if deadline < until => overdue.push(slot),
                Some(deadline) => next = next.min(deadline),
                None => {}
            }
        }
        if !overdue.is_empty() {
            self.fall_silent(&overdue, until, by_clock, out);
        }
        next
    }

    fn fall_silent(&mut self, overdue: &[usize], until: EventTime, by_clock: bool, out: &mut Vec<ActivityNotice>) {
        let mut latest = vec![EventTime::from_micros(i64::MIN); self.servers.len()];
        for voice in &self.voices {
            let latest = &mut latest[voice.server as usize];
            *latest = voice.heard.max(*latest);
        }
        for &slot in overdue {
            let voice = &mut self.voices[slot];
            let server = &mut self.servers[voice.server as usize];
            let Some((usual_s, too_long_s)) = voice.limits() else { continue };
            let stopped = server.voices > 1 && latest[voice.server as usize] <= voice.heard.plus_seconds(usual_s);
            let told = if by_clock { &mut voice.told_by_clock } else { &mut voice.told };
            *told = if stopped { SilenceState::WithServer } else { SilenceState::Itself };
            let quiet = if by_clock { &mut server.quiet_by_clock } else { &mut server.quiet };
            if stopped && core::mem::replace(quiet, true) {
                continue;
            }
            let stream = if stopped { whole(server) } else { Arc::clone(&voice.name) };
            out.push(ActivityNotice::Silent(SilentStream {
                stream,
                last: voice.last,
                until,
                usual_s,
                too_long_s,
                by_clock,
            }));
        }
    }
}

/// A server as a whole.
fn whole(server: &ServerActivity) -> Arc<StreamName> {
    Arc::new(StreamName { server: server.name.clone(), component: String::new() })
}

//! Connections to the library that came neither through the gate nor from the collector. Everybody on this machine can
//! make them, and the library waits for the first bytes of each for ever. They are bounded here in number and time: what
//! stays longer than a handshake may take is ended, and beyond a number the oldest at once.
//!
//! ```text
//!  /proc/self/net/tcp  -> sockets on our listeners -> without those that the door knows -> too old, too many
//!                                                                                             '-> shutdown
//! ```
//!
//! The library owns these sockets, so they are found in the system's list and shut down by their descriptors' numbers; the
//! library reads an end and closes them. Between finding a number and using it the number may have become another
//! connection's: that one is made again.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    os::fd::RawFd,
    sync::Arc,
    time::Duration,
};

use nix::sys::socket::{Shutdown, shutdown};
use tokio::{
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval},
};

use super::front::{ConnectionTable, Direction, UpstreamLead};

/// How often they are looked for.
const TICK: Duration = Duration::from_secs(1);
/// So many at a time: the gate and the collector need a moment until the door knows them.
const STRANGERS_MAX: usize = 64;
/// The state of a TCP connection that stands, in the system's list.
const ESTABLISHED: &str = "01";

/// Looks for them as long as the broker runs.
pub(super) async fn keep_out(door: Arc<ConnectionTable>, longest: Duration) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut strangers = StrangerConnections::default();
    loop {
        ticks.tick().await;
        let leads = door.leads();
        // Where the list cannot be read nobody can be told from others.
        let found =
            spawn_blocking(move || fs::read_to_string("/proc/self/net/tcp").map(|table| sockets(&table, &leads)));
        let Ok(Ok(found)) = found.await else { continue };
        let ended = strangers.look(&door.without_known(found), Instant::now(), longest);
        if !ended.is_empty() {
            door.count_strangers(ended.len());
            // It cannot fail but by a panic; the next look finds them again.
            let _: Result<io::Result<()>, _> = spawn_blocking(move || end(&ended)).await;
        }
    }
}

/// One connection that the system lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StrangerConnection {
    pub inode: u64,
    pub way: Direction,
}

/// Since when each is there.
#[derive(Debug, Default)]
struct StrangerConnections(BTreeMap<u64, Instant>);

impl StrangerConnections {
    /// Those that are to be ended.
    fn look(&mut self, found: &[StrangerConnection], now: Instant, longest: Duration) -> Vec<u64> {
        let before = std::mem::take(&mut self.0);
        self.0 = found.iter().map(|at| (at.inode, before.get(&at.inode).copied().unwrap_or(now))).collect();
        let mut by_age: Vec<(Instant, u64)> = self.0.iter().map(|(inode, since)| (*since, *inode)).collect();
        by_age.sort_unstable();
        let surplus = by_age.len().saturating_sub(STRANGERS_MAX);
        let ended = by_age.iter().enumerate().filter(|(at, (since, _))| *at < surplus || now - *since >= longest);
        ended.map(|(_, (_, inode))| *inode).collect()
    }
}

/// The connections that lead to our listeners, out of proc(5)'s `net/tcp`:
///
/// ```text
///  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
///   0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 12345 ...
/// ```
fn sockets(table: &str, leads: &[UpstreamLead]) -> Vec<StrangerConnection> {
    let socket = |line: &str| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (local, port, state) = (address(columns.next()?)?, address(columns.next()?)?, columns.next()?);
        let lead = leads.iter().find(|lead| lead.address == local).filter(|_| state == ESTABLISHED)?;
        let inode = columns.nth(5)?.parse().ok()?;
        Some(StrangerConnection { inode, way: Direction { listener: lead.listener, port } })
    };
    table.lines().filter_map(socket).collect()
}

/// The address is in the order of the machine's bytes, the port is not.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let address = u32::from_str_radix(address, 16).ok().filter(|_| address.len() == 8)?;
    Some((Ipv4Addr::from(address.to_ne_bytes()), u16::from_str_radix(port, 16).ok()?).into())
}

fn end(inodes: &[u64]) -> io::Result<()> {
    for entry in fs::read_dir("/proc/self/fd")? {
        let path = entry?.path();
        let number: Option<RawFd> = path.file_name().and_then(|name| name.to_str()?.parse().ok());
        // It may have been closed meanwhile.
        let Some((number, target)) = number.zip(fs::read_link(&path).ok()) else { continue };
        let inode = target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
        if inode.is_some_and(|inode| inodes.contains(&inode)) {
            // One that has ended meanwhile is not connected any more.
            let _: Result<(), _> = shutdown(number, Shutdown::Both);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(inode: u64) -> StrangerConnection {
        StrangerConnection { inode, way: Direction { listener: 1, port: ([127, 0, 0, 1], 5).into() } }
    }

    #[test]
    fn who_stays_too_long_and_the_oldest_beyond_a_number_are_ended() {
        let (mut strangers, began, longest) = (StrangerConnections::default(), Instant::now(), Duration::from_secs(20));
        let at = |seconds| began + Duration::from_secs(seconds);
        let all: Vec<StrangerConnection> = (0..60).map(found).collect();
        assert!(strangers.look(&all, at(0), longest).is_empty());
        let all: Vec<StrangerConnection> = (0..70).map(found).collect();
        assert_eq!(strangers.look(&all, at(1), longest), (0..6).collect::<Vec<u64>>());
        let rest: Vec<StrangerConnection> = (50..70).map(found).collect();
        assert!(strangers.look(&rest, at(19), longest).is_empty());
        assert_eq!(strangers.look(&rest, at(20), longest), (50..60).collect::<Vec<u64>>());
        assert!(strangers.look(&[], at(21), longest).is_empty() && strangers.0.is_empty());
    }

    #[test]
    fn the_systems_list_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: LOCAL:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 x 100 0 0 10 0\n\
            1: LOCAL:1F90 LOCAL:C350 01 00000000:00000000 00:00000000 00000000  1000        0 12345 1 x 20 4 30 10 -1\n\
            2: LOCAL:C350 LOCAL:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 777 1 x 20 4 30 10 -1\n\
            3: LOCAL:1F90 LOCAL:C351 06 00000000:00000000 03:00000000 00000000     0        0 0 3 x\nnonsense\n";
        let local = format!("{:08X}", u32::from_ne_bytes([127, 0, 0, 1]));
        let leads = [UpstreamLead { listener: 7, address: ([127, 0, 0, 1], 8080).into() }];
        let way = Direction { listener: 7, port: ([127, 0, 0, 1], 50_000).into() };
        assert_eq!(sockets(&table.replace("LOCAL", &local), &leads), [StrangerConnection { inode: 12_345, way }]);
    }
}

//! The texts of `/proc`: each function takes one file's text and gives gauges (a value as it is) and counters (whose growth
//! counts). Lines and fields that are not understood are left out. Opens no file.

use super::rates::{CounterUnit, Measured};

/// Interfaces that containers, virtual machines and tunnels of the kernel make: their traffic is another one's.
const VIRTUAL_INTERFACES: [&str; 26] = [
    "lo",
    "veth",
    "docker",
    "br-",
    "virbr",
    "vnet",
    "vmnet",
    "cni",
    "cali",
    "flannel",
    "cilium",
    "lxc",
    "lxdbr",
    "podman",
    "kube",
    "nodelocaldns",
    "ifb",
    "dummy",
    "vxlan",
    "sit",
    "gre",
    "gretap",
    "erspan",
    "ip6tnl",
    "ip6gre",
    "tunl",
];
/// Devices whose reads and writes are another one's, or no disk's.
const VIRTUAL_DISKS: [&str; 9] = ["loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", "drbd"];
/// File systems of this host's disks.
const FILE_SYSTEMS: [&str; 17] = [
    "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "nilfs2", "reiserfs", "bcachefs", "zfs", "ufs", "vfat",
    "exfat", "ntfs", "ntfs3", "hfsplus",
];
/// Of a sector of `/proc/diskstats`, whatever the disk's are.
const SECTOR_BYTES: f64 = 512.0;

/// `/proc/stat`: shares of the time of all processors.
pub(super) fn processors(text: &str, into: &mut Measured) {
    let Some(line) = text.lines().find_map(|line| line.strip_prefix("cpu ")) else { return };
    let times: Vec<f64> = line.split_ascii_whitespace().map_while(|field| field.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are counted in user and nice already.
    let [user, nice, system, idle, iowait, irq, softirq, steal, ..] = times[..] else { return };
    let busy = user + nice + system + irq + softirq + steal;
    let total = busy + idle + iowait;
    for (name, part) in [("cpu.busy", busy), ("cpu.iowait", iowait), ("cpu.steal", steal)] {
        into.counter(name.to_owned(), part, CounterUnit::ShareOf(total));
    }
}

/// `/proc/loadavg`: tasks that ran or waited, the mean of a minute.
pub(super) fn load(text: &str, into: &mut Measured) {
    if let Some(load) = text.split_ascii_whitespace().next().and_then(|field| field.parse().ok()) {
        into.gauge("load1".to_owned(), load);
    }
}

/// `/proc/meminfo`: what cannot be given to a program, and what of the swap is in use.
pub(super) fn memory(text: &str, into: &mut Measured) {
    let field = |name: &str| -> Option<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_ascii_whitespace().next()?.parse().ok()
    };
    for (name, total, free) in [("memory.used", "MemTotal", "MemAvailable"), ("swap.used", "SwapTotal", "SwapFree")] {
        if let (Some(total), Some(free)) = (field(total).filter(|total| *total > 0.0), field(free)) {
            into.gauge(name.to_owned(), (total - free) / total * 100.0);
        }
    }
}

/// `/proc/pressure/*`: the share of the time in which some task waited for `what`.
pub(super) fn pressure(what: &str, text: &str, into: &mut Measured) {
    let some = text.lines().find_map(|line| line.strip_prefix("some "));
    let total = some.and_then(|line| line.split_ascii_whitespace().find_map(|field| field.strip_prefix("total=")));
    if let Some(micros) = total.and_then(|total| total.parse::<f64>().ok()) {
        into.counter(format!("pressure.{what}"), micros / 1e6, CounterUnit::ShareOfTime);
    }
}

/// A disk of `/proc/diskstats`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DiskCounters<'a> {
    pub(super) name: &'a str,
    bytes_read: f64,
    bytes_written: f64,
    busy_s: f64,
}

/// The disks of `/proc/diskstats` that were ever used. `is_whole` says which names are no partition.
pub(super) fn disks<'a>(
    text: &'a str,
    is_whole: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = DiskCounters<'a>> + 'a {
    text.lines().filter_map(move |line| {
        let mut fields = line.split_ascii_whitespace().skip(2);
        let name = fields.next()?;
        if VIRTUAL_DISKS.iter().any(|prefix| name.starts_with(prefix)) || !is_whole(name) {
            return None;
        }
        let counters: Vec<f64> = fields.map_while(|field| field.parse().ok()).collect();
        let [reads, _, sectors_read, _, writes, _, sectors_written, _, _, busy_ms, ..] = counters[..] else {
            return None;
        };
        (reads + writes > 0.0).then_some(DiskCounters {
            name,
            bytes_read: sectors_read * SECTOR_BYTES,
            bytes_written: sectors_written * SECTOR_BYTES,
            busy_s: busy_ms / 1e3,
        })
    })
}

impl DiskCounters<'_> {
    pub(super) fn measure(&self, into: &mut Measured) {
        into.counter(format!("disk.{}.busy", self.name), self.busy_s, CounterUnit::ShareOfTime);
        into.counter(format!("disk.{}.read", self.name), self.bytes_read, CounterUnit::ASecond);
        into.counter(format!("disk.{}.written", self.name), self.bytes_written, CounterUnit::ASecond);
    }
}

/// An interface of `/proc/net/dev`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct InterfaceCounters<'a> {
    pub(super) name: &'a str,
    received: f64,
    sent: f64,
    errors: f64,
}

/// The interfaces of `/proc/net/dev` that were ever used.
pub(super) fn interfaces(text: &str) -> impl Iterator<Item = InterfaceCounters<'_>> {
    text.lines().filter_map(|line| {
        let (name, counters) = line.split_once(':')?;
        let name = name.trim();
        let is_virtual = VIRTUAL_INTERFACES.iter().any(|prefix| name.starts_with(prefix));
        let counters: Vec<f64> = counters.split_ascii_whitespace().map_while(|field| field.parse().ok()).collect();
        // Of each direction: bytes, packets, errors and five more.
        let [received, _, errors_in, _, _, _, _, _, sent, _, errors_out, ..] = counters[..] else { return None };
        (!is_virtual && received + sent > 0.0).then_some(InterfaceCounters {
            name,
            received,
            sent,
            errors: errors_in + errors_out,
        })
    })
}

impl InterfaceCounters<'_> {
    pub(super) fn measure(&self, into: &mut Measured) {
        into.counter(format!("net.{}.received", self.name), self.received, CounterUnit::ASecond);
        into.counter(format!("net.{}.sent", self.name), self.sent, CounterUnit::ASecond);
        into.counter(format!("net.{}.errors", self.name), self.errors, CounterUnit::ASecond);
    }
}

/// Where the file systems of this host's disks are mounted (`/proc/self/mounts`), the first place of each.
pub(super) fn mount_points(text: &str) -> Vec<String> {
    let mut devices: Vec<&str> = Vec::new();
    let mut points = Vec::new();
    for line in text.lines() {
        let mut fields = line.split(' ');
        let (Some(device), Some(point), Some(kind)) = (fields.next(), fields.next(), fields.next()) else { continue };
        if FILE_SYSTEMS.contains(&kind) && !device.starts_with("/dev/loop") && !devices.contains(&device) {
            devices.push(device);
            points.push(unescaped(point));
        }
    }
    points
}

/// Blanks and the like stand as octal numbers: `\040`.
fn unescaped(text: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(text.to_owned(), |text, (escape, meant)| text.replace(escape, meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISKS: &str = "   7       0 loop0 5 0 5 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n 259       0 nvme0n1 10 0 400 6 20 0 800 4 0 1500 \
                         60 0 0 0 0 0 0\n 259       1 nvme0n1p1 10 0 400 6 20 0 800 4 0 1500 60 0 0 0 0 0 0\n   8       0 \
                         sda 0 0 0 0 0 0 0 0 0 0 0\n 253       0 dm-0 1 0 1 1 1 0 1 1 0 1 1\nnonsense\n";
    const MOUNTS: &str = "proc /proc proc rw 0 0\n/dev/sda2 / ext4 rw 0 0\n/dev/sda1 /boot/firmware vfat rw 0 0\n/dev/sda2 \
                          /srv/bind ext4 rw 0 0\n/dev/loop3 /snap/core squashfs ro 0 0\noverlay /var/lib/docker/x overlay \
                          rw 0 0\ntmpfs /run tmpfs rw 0 0\nnas:/x /mnt/nas nfs4 rw 0 0\n/dev/sdb1 /media/my\\040disk ext4 \
                          rw 0 0\n";

    #[test]
    fn disks_are_whole_real_and_used() {
        let found: Vec<DiskCounters<'_>> = disks(DISKS, |name| !name.ends_with("p1")).collect();
        let expected = DiskCounters { name: "nvme0n1", bytes_read: 204_800.0, bytes_written: 409_600.0, busy_s: 1.5 };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn file_systems_are_those_of_disks_each_once() {
        assert_eq!(mount_points(MOUNTS), ["/", "/boot/firmware", "/media/my disk"]);
    }

    #[test]
    fn interfaces_are_real_and_used() {
        let text = "Inter-|   Receive |  Transmit\n face |bytes packets\n    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n  eth0: 700 \
                    5 1 0 0 0 0 0 300 4 2 0 0 0 0 0\nveth12: 5 5 0 0 0 0 0 0 5 5 0 0 0 0 0 0\nwlan0: 0 0 0 0 0 0 0 0 0 0 \
                    0 0 0 0 0 0\n";
        let found: Vec<InterfaceCounters<'_>> = interfaces(text).collect();
        assert_eq!(found, [InterfaceCounters { name: "eth0", received: 700.0, sent: 300.0, errors: 3.0 }]);
    }
}

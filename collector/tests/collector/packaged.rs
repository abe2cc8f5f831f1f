//! The configuration that the package brings: right as it is, and right in what is commented out.

use std::{fs, path::Path};

use oddline_collector::config::{self, BrokerConfig};

#[test]
fn what_the_package_brings_is_the_default_and_its_comments_are_settings() {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/etc/collector.toml");
    let config = config::read(Some(&packaging)).unwrap();
    let BrokerConfig::Embedded(embedded) = &config.broker else { panic!("{:?}", config.broker) };
    assert!(embedded.listen.ip().is_loopback() && config.state == Path::new("/var/lib/oddline/collector"));
    let is_setting =
        |line: &&str| line.starts_with('[') || line.split(" = ").next().is_some_and(|key| !key.contains(' '));
    let text = fs::read_to_string(&packaging).unwrap();
    let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# ").filter(is_setting)).collect();
    assert!(lines.len() >= 6, "{lines:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("collector.toml");
    fs::write(&file, lines.join("\n")).unwrap();
    let config = config::read(Some(&file)).unwrap();
    let BrokerConfig::Embedded(embedded) = &config.broker else { panic!("{:?}", config.broker) };
    assert_eq!(embedded.names, ["collector.example"]);
}

//! What the agent's man page says beyond its arguments: files, environment, exit codes.

use oddline_cli::pages::ManSection;

/// The parts, in their order.
pub const SECTIONS: &[ManSection] = &[
    ManSection {
        title: "FILES",
        entries: &[
            ("/etc/oddline/agent.toml", "the configuration; agent.toml in the examples has every setting"),
            ("/etc/oddline/agent.d/*.toml", "drop-in files that override it, in the order of their names"),
            ("/usr/share/oddline/factory.onnx", "the model to begin with"),
            ("/var/lib/oddline/agent/state.redb", "positions, what was learnt, undelivered events"),
            ("/var/lib/oddline/agent/models/", "models taken from a collector"),
            ("/var/lib/oddline/agent/anomalies.jsonl", "events, where no broker is configured; rotated"),
            ("/run/oddline-agent/control.sock", "where status and model ask the running agent"),
        ],
    },
    ManSection {
        title: "ENVIRONMENT",
        entries: &[
            ("ODDLINE_*", "settings laid over the files: ODDLINE_BROKER_ADDRESS is address in [broker]"),
            ("ODDLINE_LOG", "what is logged, unless --log-level says it: info, or warn,rustls=debug"),
            ("CREDENTIALS_DIRECTORY", "systemd's folder of secrets, where a setting names it"),
            ("NOTIFY_SOCKET, WATCHDOG_USEC", "systemd's, when it started the agent"),
        ],
    },
    ManSection {
        title: "SIGNALS",
        entries: &[
            ("SIGTERM, SIGINT", "reads no more, commits, delivers what can be delivered within seconds, ends"),
            ("SIGHUP", "reads the configuration again; one with mistakes changes nothing"),
        ],
    },
    ManSection {
        title: "EXIT STATUS",
        entries: &[
            ("0", "done"),
            ("1", "failed"),
            ("2", "wrong arguments"),
            ("65", "data or a model that cannot be used"),
            ("74", "input or output failed"),
            ("77", "permission denied"),
            ("78", "the configuration has mistakes; all of them are listed"),
        ],
    },
    ManSection {
        title: "SEE ALSO",
        entries: &[("oddline-collector(1), oddline-trainer(1), journalctl(1), systemd.service(5)", "")],
    },
];

//! What the collector's man page says beyond its arguments: files, environment, exit codes.

use oddline_cli::pages::ManSection;

/// The parts, in their order.
pub const SECTIONS: &[ManSection] = &[
    ManSection {
        title: "FILES",
        entries: &[
            ("/etc/oddline/collector.toml", "the configuration; without it a broker on 127.0.0.1 and SQLite"),
            ("/etc/oddline/collector.d/*.toml", "drop-in files that override it, in the order of their names"),
            ("/var/lib/oddline/collector/collector.db", "the database, unless store says otherwise"),
            ("/var/lib/oddline/collector/", "beside it the authority that signs the agents' certificates"),
        ],
    },
    ManSection {
        title: "ENVIRONMENT",
        entries: &[
            ("ODDLINE_*", "settings laid over the files: ODDLINE_EMBEDDED_LISTEN is listen in [embedded]"),
            ("ODDLINE_LOG", "what is logged, unless --log-level says it: info, or warn,rmqtt=debug"),
            ("CREDENTIALS_DIRECTORY", "systemd's folder of secrets, where a setting names it"),
            ("NOTIFY_SOCKET, WATCHDOG_USEC", "systemd's, when it started the collector"),
            ("PGPASSFILE", "the file of PostgreSQL passwords"),
        ],
    },
    ManSection {
        title: "SIGNALS",
        entries: &[("SIGTERM, SIGINT", "takes no more messages, stores and acknowledges what it has, ends")],
    },
    ManSection {
        title: "EXIT STATUS",
        entries: &[
            ("0", "done"),
            ("1", "failed"),
            ("2", "wrong arguments, or a name that means nothing"),
            ("65", "a model that cannot be used"),
            ("69", "broker or database unavailable"),
            ("74", "input or output failed"),
            ("77", "permission denied"),
            ("78", "the configuration has mistakes; all of them are listed"),
        ],
    },
    ManSection {
        title: "SEE ALSO",
        entries: &[("oddline-agent(1), oddline-trainer(1), mosquitto(8), systemd.service(5)", "")],
    },
];

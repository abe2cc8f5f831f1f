//! What the trainer's man page says beyond its arguments: files, environment, exit codes.

use oddline_cli::pages::ManSection;

pub const SECTIONS: &[ManSection] = &[
    ManSection {
        title: "FILES",
        entries: &[
            ("logs/server_logs.txt, logs/unseen_logs.txt", "what generate writes, train and test read"),
            ("logs/*.kinds.csv", "which anomaly the generator planted where; never learnt from"),
            ("models/autoencoder.onnx", "the model that train writes"),
            ("models/autoencoder.onnx.minisig", "the signature that sign writes"),
            ("keys/oddline.key, keys/oddline.pub", "the keys that keygen writes"),
            ("logs/anomalies.csv, logs/debug_logs.txt", "what test found, and where it differs from the truth"),
            (
                "/etc/oddline/trainer.toml, trainer.d/*.toml",
                "what retrain --config reads; [retrain] names logs and folder",
            ),
            (
                "/var/lib/oddline/trainer/",
                "current.onnx, the model in use; next.onnx, next.md and next.json, what retrain made last; anchor.onnx",
            ),
            ("charts/", "loss_curves.png, error_distribution.png, unseen_data_errors.png, unseen_data_streams.png"),
        ],
    },
    ManSection {
        title: "ENVIRONMENT",
        entries: &[
            ("DEBUG_WITH_ANOMALY_FLAG", "true does the same as test --debug-with-anomaly-flag"),
            ("ODDLINE_RETRAIN_FOLDER, ODDLINE_RETRAIN_...", "laid over the settings of trainer.toml"),
            ("ODDLINE_LOG", "what is logged, unless --log-level says it: info, or warn,burn=debug"),
            ("CREDENTIALS_DIRECTORY", "where systemd puts oddline.key, the key that signs what is promoted"),
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
            ("78", "a configuration with mistakes"),
        ],
    },
    ManSection { title: "SEE ALSO", entries: &[("oddline-agent(1), oddline-collector(1), minisign(1)", "")] },
];

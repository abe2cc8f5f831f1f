//! The configuration: the annotated example is read as the service reads it, and every mistake is said at once.

use std::path::Path;

use crate::shell::Folder;

#[test]
fn the_annotated_example_has_no_mistake() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/trainer.toml");
    let text = std::fs::read_to_string(&example).unwrap();
    let folder = Folder::new();
    let run = |text: &str| {
        folder.write("trainer.toml", text);
        folder.run("retrain --config trainer.toml")
    };
    // What follows is about the logs: the configuration was read.
    run(&text).refused(65, &["/var/log/myapp/metrics*.csv", "there is no such log"]);
    let with_all = text.replace("# key", "key").replace("# password_file", "password_file");
    run(&with_all).refused(78, &["retrain.key", "retrain.password_file", "CREDENTIALS_DIRECTORY"]);
}

#[test]
fn every_mistake_is_said_at_once() {
    let folder = Folder::new();
    folder.write("trainer.toml", "[retrain]\nlog = [\"a\"]\npush = 1\npassword_file = \"b\"\n\n[serve]\n");
    let words = ["retrain.log", "did you mean \"logs\"", "retrain.push", "retrain.password_file", "serve"];
    folder.run("retrain --config trainer.toml").refused(78, &words);
    folder.run("retrain --config none.toml").refused(78, &["none.toml"]);
}

//! Keys and signatures, as a user and the stock tool meet them.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::shell::{Folder, MODEL};

const KEY: &str = "keys/oddline.key";
const SIGNATURE: &str = "models/autoencoder.onnx.minisig";

#[test]
fn a_model_is_signed_and_the_stock_tool_agrees() {
    let folder = Folder::with_model();
    let made = folder.must("keygen");
    assert!(made.stdout.contains("trusted_keys = [\"RW"), "{}", made.stdout);
    assert!(made.stderr.contains("no password"), "{}", made.stderr);
    assert_eq!(fs::metadata(folder.path(KEY)).unwrap().permissions().mode() & 0o777, 0o600);
    let signed = folder.must("sign");
    assert!(signed.stdout.contains(SIGNATURE), "{}", signed.stdout);
    let verify = ["-Vm", MODEL, "-p", "keys/oddline.pub"];
    match Command::new("minisign").args(verify).current_dir(folder.path(".")).output() {
        Ok(run) => assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr)),
        Err(_) => oddline_testkit::not_run("signing: the stock tool", "minisign is not installed"),
    }
}

#[test]
fn a_key_is_never_replaced_and_a_password_is_needed_where_there_is_one() {
    let folder = Folder::with_model();
    folder.write("word", "open sesame\n");
    folder.write("other", "open barley\n");
    folder.must("keygen --password-file word");
    let key = folder.read(KEY);
    folder.run("keygen").refused(2, &[KEY, "is there already", "--key"]);
    assert_eq!(folder.read(KEY), key);
    folder.run("sign").refused(65, &[KEY, "--password-file"]);
    folder.run("sign --password-file other").refused(65, &[KEY, "password of this key"]);
    assert!(!folder.path(SIGNATURE).exists());
    folder.must("sign --password-file word");
    assert!(folder.path(SIGNATURE).exists());
}

#[test]
fn what_is_no_model_or_no_key_is_not_signed_with() {
    let folder = Folder::with_model();
    folder.run("sign").refused(74, &[KEY, "keygen"]);
    folder.write(KEY, "no key");
    folder.run("sign").refused(65, &[KEY, "no secret key"]);
    folder.write("bad.onnx", "no model");
    folder.run("sign bad.onnx").refused(65, &["bad.onnx"]);
}

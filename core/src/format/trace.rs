//! The lines of stack traces, told by their shape: Java, Python, Go, Rust, .NET, Node, Ruby, PHP, debuggers, the kernel.
//! Knows nothing of the records around them.

use serde::{Deserialize, Serialize};

use super::clean;

/// What a trace under way expects next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum TraceState {
    #[default]
    Outside,
    /// Frames of a shape that tells them apart.
    Frames,
    /// Python's `File "..."`, or the error that ends it.
    PythonFrames,
    /// The line of code after `File "..."`.
    PythonCode,
    Go,
    /// What a thread of Rust's panicked with.
    RustMessage,
    Rust,
    /// The error after the line of code that Node points into.
    NodeError,
    Kernel,
}

/// What a line is to a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TraceRole {
    Nothing,
    /// An error that begins a record whatever came before.
    Error(TraceState),
    /// The name of an exception: it begins a record, or a trace below the record that tells of it.
    Exception,
    /// It belongs to what came before.
    Part(TraceState),
}

use TraceRole::{Error, Exception, Nothing, Part};

/// The role of `text` after lines that left `state`. `is_trimmed`: what indented it was taken away, as syslog does.
pub(crate) fn role(text: &str, state: TraceState, is_trimmed: bool) -> TraceRole {
    let line = unescaped(text);
    let is_indented = is_trimmed || line.len() < text.len();
    if let Some(role) = expected(line, state, is_indented, is_trimmed) {
        return role;
    }
    let Some(first) = line.bytes().next() else { return Nothing };
    let role = match first {
        b'a' if is_indented && is_frame_at(line, is_trimmed) => Part(TraceState::Frames),
        b'f' if is_indented && line.starts_with("from ") && is_ruby(line) => Part(TraceState::Frames),
        b'F' if line.starts_with("File \"") && line.contains("\", line ") => Part(TraceState::PythonCode),
        b'T' if line.starts_with("Traceback (most recent call last)") => Part(TraceState::PythonFrames),
        b'.' if is_more(line) => Part(TraceState::Frames),
        b'-' if is_inner_exception(line, state) => Part(TraceState::Frames),
        b'#' if is_numbered(line, state) => Part(TraceState::Frames),
        b'g' if is_goroutine(line) => Part(TraceState::Go),
        b'}' | b']' | b')' if state != TraceState::Outside && is_closer(line) => Part(state),
        b'C' | b'S' | b'B' | b'D' | b's' | b'n' | b'N' | b'W' => announced(line, state),
        _ => Nothing,
    };
    if role != Nothing {
        return role;
    }
    kernel(line, state).or_else(|| error(line)).unwrap_or_else(|| if is_exception(line) { Exception } else { Nothing })
}

/// Without blanks and the tabs that rsyslog writes as `#011`.
fn unescaped(text: &str) -> &str {
    let mut line = clean::trimmed_start(text);
    while let Some(rest) = line.strip_prefix("#011") {
        line = rest.trim_start();
    }
    line
}

/// What only the lines before tell.
fn expected(line: &str, state: TraceState, is_indented: bool, is_trimmed: bool) -> Option<TraceRole> {
    let is_code = || if is_trimmed { !is_exception(line) } else { is_indented };
    Some(match state {
        TraceState::PythonCode if !line.starts_with("File \"") && is_code() => Part(TraceState::PythonFrames),
        TraceState::PythonFrames | TraceState::PythonCode
            if line.starts_with("[Previous line repeated") || is_pointer(line) =>
        {
            Part(TraceState::PythonFrames)
        }
        TraceState::PythonFrames if is_indented && !is_trimmed && !line.starts_with("File \"") => {
            Part(TraceState::PythonFrames)
        }
        TraceState::PythonFrames | TraceState::PythonCode if is_python_error(line) => Part(TraceState::Frames),
        TraceState::RustMessage => Part(TraceState::Rust),
        TraceState::Go if is_go(line) => Part(TraceState::Go),
        TraceState::NodeError if is_exception(line) => Part(TraceState::Frames),
        TraceState::Rust | TraceState::Frames if is_indented && is_counted(line) => Part(state),
        TraceState::Kernel if is_symbol(line) => Part(TraceState::Kernel),
        _ if is_indented && !is_trimmed && is_pointer(line) => Part(TraceState::NodeError),
        _ => return None,
    })
}

/// `at com.shop.Cart.add(Cart.java:7)`, `at Shop.Cart.Add(Int32 n) in /src/Cart.cs:line 7`, `at add (/src/cart.js:7:9)`.
fn is_frame_at(line: &str, is_strict: bool) -> bool {
    let Some(frame) = line.strip_prefix("at ") else { return false };
    let ends_in_place = frame.ends_with(')') || frame.ends_with('{') && frame.contains(')');
    let is_place = frame.contains(":line ")
        || frame.rsplit(':').next().is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    (frame.contains('(') && ends_in_place) || is_place || (!is_strict && !frame.trim().is_empty())
}

/// `... 12 more`, `... 12 common frames omitted`, `...additional frames`.
fn is_more(line: &str) -> bool {
    line.strip_prefix("... ").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        || line.starts_with("...additional frames")
}

/// `from /src/cart.rb:7:in 'add'`
fn is_ruby(line: &str) -> bool {
    line.contains(":in `") || line.contains(":in '")
}

/// `---> System.IO.IOException: text`, `--- End of inner exception stack trace ---`.
fn is_inner_exception(line: &str, state: TraceState) -> bool {
    line.starts_with("--- End of ") && line.contains("stack trace")
        || line.starts_with("---> ") && (state != TraceState::Outside || line.contains("Exception"))
}

/// `#0  0x00007f main () at a.c:3`, `#1 /a.php(3): f()`, `#2 {main}`.
fn is_numbered(line: &str, state: TraceState) -> bool {
    let digits = line.bytes().skip(1).take_while(u8::is_ascii_digit).count();
    let rest = line.get(1 + digits..).unwrap_or_default();
    (1..=4).contains(&digits)
        && rest.starts_with(' ')
        && (state != TraceState::Outside || rest.contains("0x") || rest.contains('(') || rest.contains("{main}"))
}

/// `0: core::panicking::panic`
fn is_counted(line: &str) -> bool {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    (1..=4).contains(&digits) && line[digits..].starts_with(": ")
}

/// `goroutine 1 [running]:`
fn is_goroutine(line: &str) -> bool {
    line.strip_prefix("goroutine ").is_some_and(|rest| rest.contains(" [") && rest.trim_end().ends_with(':'))
}

fn is_go(line: &str) -> bool {
    let starts =
        ["created by ", "exit status ", "[signal ", "panic: ", "goroutine ", "[recovered]", "...additional frames"];
    let is_call =
        line.ends_with(')') && line.contains('(') && !line.split('(').next().unwrap_or_default().contains(' ');
    let is_place = line.contains(".go:") || line.contains(".s:");
    let is_register = {
        let mut words = line.split_ascii_whitespace();
        words.next().is_some_and(|name| name.len() <= 6)
            && words.next().is_some_and(|value| value.starts_with("0x"))
            && words.next().is_none()
    };
    starts.iter().any(|start| line.starts_with(start)) || is_call || is_place || is_register
}

/// A line of `^` and `~` that points into the one before.
fn is_pointer(line: &str) -> bool {
    line.contains('^') && line.bytes().all(|b| matches!(b, b'^' | b'~' | b' ' | b'|'))
}

fn is_closer(line: &str) -> bool {
    line.len() <= 4 && line.bytes().all(|b| matches!(b, b'}' | b']' | b')' | b',' | b';'))
}

/// Lines that announce a trace, or stand between its parts.
fn announced(line: &str, state: TraceState) -> TraceRole {
    const FRAMES: [&str; 6] = [
        "Caused by:",
        "During handling of the above exception",
        "Stack trace:",
        "Stack trace of thread",
        "Backtrace:",
        "stack traceback:",
    ];
    const RUST: [&str; 4] =
        ["stack backtrace:", "Stack backtrace:", "note: run with `RUST_BACKTRACE", "note: Some details are omitted"];
    if FRAMES.iter().any(|start| line.starts_with(start)) {
        return Part(TraceState::Frames);
    }
    if RUST.iter().any(|start| line.starts_with(start)) {
        return Part(TraceState::Rust);
    }
    let is_between = ["Node.js v", "Suppressed:", "Wrapped by:"].iter().any(|start| line.starts_with(start));
    if is_between && state != TraceState::Outside { Part(TraceState::Frames) } else { Nothing }
}

/// What the kernel prints below an oops.
fn kernel(line: &str, state: TraceState) -> Option<TraceRole> {
    const STARTS: [&str; 7] =
        ["Call Trace:", "Call trace:", "<TASK>", "</TASK>", "<IRQ>", "Modules linked in:", "---[ end trace"];
    const INSIDE: [&str; 8] = ["</IRQ>", "RIP: ", "Hardware name:", "Workqueue: ", "Code: ", "CR2: ", "FS: ", "Comm: "];
    let is_part = match line.as_bytes() {
        [b'T', ..] => line.starts_with("The above exception was the direct cause"),
        [b'R', b'A'..=b'Z' | b'0'..=b'9', b'A'..=b'Z' | b'0'..=b'9', b':', ..] if state == TraceState::Kernel => true,
        [b'R' | b'H' | b'W' | b'F', ..] if state != TraceState::Kernel => false,
        [b'C' | b'<' | b'R' | b'M' | b'H' | b'W' | b'-' | b'F', ..] => {
            STARTS.iter().any(|start| line.starts_with(start))
                || line.starts_with("CPU: ") && line.contains(" PID: ")
                || state == TraceState::Kernel && INSIDE.iter().any(|start| line.starts_with(start))
        }
        _ => false,
    };
    is_part.then_some(Part(TraceState::Kernel))
}

/// `? dump_stack_lvl+0x34/0x48`
fn is_symbol(line: &str) -> bool {
    line.find("+0x").is_some_and(|at| line[at..].contains("/0x"))
}

/// Errors that nobody caught: what came before has nothing to do with them.
fn error(line: &str) -> Option<TraceRole> {
    const STARTS: [(&str, TraceState); 10] = [
        ("panic: ", TraceState::Go),
        ("fatal error: ", TraceState::Go),
        ("Exception in thread ", TraceState::Frames),
        ("Unhandled exception", TraceState::Frames),
        ("Unhandled Exception", TraceState::Frames),
        ("Uncaught ", TraceState::Frames),
        ("PHP Fatal error: ", TraceState::Frames),
        ("Fatal error: ", TraceState::Frames),
        ("BUG: ", TraceState::Kernel),
        ("Oops: ", TraceState::Kernel),
    ];
    if !matches!(line.as_bytes().first(), Some(b'p' | b'f' | b'E' | b'U' | b'P' | b'F' | b'B' | b'O' | b't')) {
        return None;
    }
    if let Some((_, state)) = STARTS.iter().find(|(start, _)| line.starts_with(start)) {
        return Some(Error(*state));
    }
    let is_panic = line.starts_with("thread '") && line.contains(" panicked at ");
    // Since Rust 1.73 the message is a line of its own.
    let state = if line.trim_end().ends_with(':') { TraceState::RustMessage } else { TraceState::Rust };
    is_panic.then_some(Error(state))
}

/// `java.lang.IllegalStateException: text`, `TypeError: text`, `System.IO.IOException`.
pub(crate) fn is_exception(line: &str) -> bool {
    let name = &line[..line.bytes().position(|b| !is_name_byte(b)).unwrap_or(line.len())];
    let rest = &line[name.len()..];
    // All of the endings end so; it costs less to look at one byte.
    if !matches!(name.as_bytes().last(), Some(b'r' | b'n' | b'e' | b't')) {
        return false;
    }
    let is_named = ["Error", "Exception", "Throwable", "Interrupt", "Fault"].iter().any(|end| name.ends_with(end));
    let is_ended = rest.is_empty() || rest.starts_with(':') || rest.starts_with(" [");
    is_named && is_ended && name.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// The last line of a traceback: any name, with or without a text.
fn is_python_error(line: &str) -> bool {
    let name = &line[..line.bytes().position(|b| !is_name_byte(b)).unwrap_or(line.len())];
    let rest = &line[name.len()..];
    !name.is_empty() && (rest.is_empty() || rest.starts_with(": ") || rest == ":")
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'$')
}

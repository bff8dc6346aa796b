//! Animals that use the standard library as programs do: streams, environment, exit, hash maps; and,
//! with a feature of its own each, what no handler gets: a clock, a file, a socket.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is what these animals do")]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;
use std::io::{IsTerminal, Read, Write as _};

/// What a question about the outside is answered; nothing, if it is none.
pub(crate) fn ask(body: &[u8]) -> Vec<u8> {
    let answer = match body {
        b"std-environment" => format!(
            "{:?} {:?} {:?}",
            std::env::vars().collect::<Vec<_>>(),
            std::env::args().collect::<Vec<_>>(),
            std::env::var_os("HOME"),
        ),
        b"std-stdin" => {
            let mut text = String::new();
            format!("{:?} {text:?}", std::io::stdin().read_to_string(&mut text))
        }
        b"std-terminal" => format!(
            "{} {} {}",
            std::io::stdin().is_terminal(),
            std::io::stdout().is_terminal(),
            std::io::stderr().is_terminal()
        ),
        // A map, in the order that its keys happen to have.
        b"std-map" => {
            let map: HashMap<u32, u32> = (0..40).map(|n| (n, n * n)).collect();
            map.iter().fold(String::new(), |mut text, (key, value)| {
                // Writing to a string does not fail.
                let _ = write!(text, "{key}:{value} ");
                text
            })
        }
        b"std-hash" => format!("{:016x}", RandomState::new().hash_one("zoo")),
        b"std-poll" => format!("{:?}", stub::poll_stdout_and_stdin()),
        #[cfg(feature = "clock")]
        b"std-clock" => {
            format!("{:?} {:?}", std::time::Instant::now(), std::time::SystemTime::now())
        }
        #[cfg(feature = "file")]
        b"std-file" => format!("{:?}", std::fs::read("/etc/hostname")),
        #[cfg(feature = "socket")]
        b"std-socket" => format!("{:?}", std::net::TcpStream::connect(("127.0.0.1", 7600))),
        _ => String::new(),
    };
    answer.into_bytes()
}

/// Does what the text says, in whatever call.
pub(crate) fn act(what: &[u8]) {
    match what {
        b"std-print" => {
            println!("to the standard output\nin two lines");
            let stream = black_box("error");
            eprintln!("to the standard {stream}, \u{1b}[31min pieces");
        }
        b"std-print-half" => {
            print!("not yet a line");
            // Writing to a stream of the log does not fail.
            let _ = std::io::stdout().flush();
        }
        b"std-print-flood" => {
            for line in 0..1_000 {
                println!("line {line} of a flood");
            }
        }
        b"std-print-storm" => loop {
            eprint!("x");
        },
        b"std-print-bytes" => {
            let _ = std::io::stderr().write_all(b"\xff\xfe no text \x07\n");
        }
        b"std-print-long" => println!("{}", "long ".repeat(100_000)),
        b"std-exit" => std::process::exit(black_box(3)),
        b"std-exit-well" => std::process::exit(black_box(0)),
        b"std-abort" => std::process::abort(),
        // As in a guest that sends its panics nowhere: they go to the standard error.
        b"std-panic" => {
            drop(std::panic::take_hook());
            panic!("the zoo was asked to panic as programs do");
        }
        b"std-thread" => {
            std::thread::spawn(|| ()).join().unwrap_or_default();
        }
        b"std-many-streams" => stub::open_streams_without_end(),
        b"std-poll-nothing" => stub::poll_nothing(),
        b"std-poll-many" => stub::poll_many(),
        b"std-drop-twice" => stub::drop_twice(),
        b"std-forged-handle" => stub::write_to(12_345),
        b"std-wrong-handle" => stub::write_to_the_input(),
        b"std-write-beyond" => stub::write_beyond_memory(),
        b"std-complain" => eprintln!("something is odd"),
        b"std-insist-on-input" => loop {
            let mut text = String::new();
            if std::io::stdin().read_to_string(&mut text).is_ok_and(|bytes| bytes > 0) {
                return;
            }
        },
        _ => {}
    }
}

/// The host's stubs, called as the standard library does not.
mod stub {
    #[link(wasm_import_module = "wasi:cli/stdin@0.2.6")]
    unsafe extern "C" {
        #[link_name = "get-stdin"]
        fn get_stdin() -> i32;
    }

    #[link(wasm_import_module = "wasi:cli/stdout@0.2.6")]
    unsafe extern "C" {
        #[link_name = "get-stdout"]
        fn get_stdout() -> i32;
    }

    #[link(wasm_import_module = "wasi:io/streams@0.2.6")]
    unsafe extern "C" {
        #[link_name = "[method]output-stream.subscribe"]
        fn subscribe_output(stream: i32) -> i32;
        #[link_name = "[method]input-stream.subscribe"]
        fn subscribe_input(stream: i32) -> i32;
        #[link_name = "[method]output-stream.blocking-write-and-flush"]
        fn write(stream: i32, bytes: *const u8, count: usize, result: *mut [u32; 3]);
        #[link_name = "[resource-drop]output-stream"]
        fn drop_output(stream: i32);
    }

    #[link(wasm_import_module = "wasi:io/poll@0.2.6")]
    unsafe extern "C" {
        #[link_name = "poll"]
        fn poll(pollables: *const i32, count: usize, ready: *mut [usize; 2]);
    }

    pub(super) fn open_streams_without_end() {
        loop {
            // SAFETY: it takes nothing, and gives a handle.
            unsafe { get_stdout() };
        }
    }

    pub(super) fn poll_nothing() {
        let mut ready = [0; 2];
        // SAFETY: no pollable is read, and `ready` is a place for the pointer and length of a list.
        unsafe { poll(std::ptr::NonNull::dangling().as_ptr(), 0, &raw mut ready) };
    }

    /// One pollable, more often than there may be handles.
    pub(super) fn poll_many() {
        let mut ready = [0; 2];
        // SAFETY: the handle was just given; `ready` is a place for the pointer and length of a list.
        unsafe {
            let pollables = vec![subscribe_input(get_stdin()); 10_000];
            poll(pollables.as_ptr(), pollables.len(), &raw mut ready);
        }
    }

    pub(super) fn drop_twice() {
        // SAFETY: the host is to refuse the second one, as it does any handle that there is not.
        unsafe {
            let stream = get_stdout();
            drop_output(stream);
            drop_output(stream);
        }
    }

    pub(super) fn write_to(stream: i32) {
        let mut result = [0; 3];
        // SAFETY: the bytes are there, and `result` is as large as what is written to it.
        unsafe { write(stream, b"x".as_ptr(), 1, &raw mut result) };
    }

    pub(super) fn write_to_the_input() {
        // SAFETY: it takes nothing, and gives a handle.
        write_to(unsafe { get_stdin() });
    }

    pub(super) fn write_beyond_memory() {
        let mut result = [0; 3];
        // SAFETY: the host is to refuse bytes that are not there; none is read here.
        unsafe {
            let bytes = std::ptr::without_provenance(u32::MAX as usize - 10);
            write(get_stdout(), bytes, 1 << 20, &raw mut result);
        }
    }

    /// Which of the two are ready, as places in the list of what was asked.
    pub(super) fn poll_stdout_and_stdin() -> Vec<u32> {
        let mut ready = [0; 2];
        // SAFETY: the handles are those that the host just gave, and live until the instance ends;
        // `ready` is filled with a list that was allocated here, by `cabi_realloc`.
        unsafe {
            let pollables = [subscribe_output(get_stdout()), subscribe_input(get_stdin())];
            poll(pollables.as_ptr(), pollables.len(), &raw mut ready);
            Vec::from_raw_parts(ready[0] as *mut u32, ready[1], ready[1])
        }
    }
}

//! What class *std* is served of WASI 0.2: stubs that know nothing of the machine, so that they give
//! the same everywhere and always.
//!
//! | interface | what a guest gets |
//! |---|---|
//! | `cli/environment` | no variable, no argument, no folder |
//! | `cli/stdin` | a stream that is at its end |
//! | `cli/stdout`, `cli/stderr` | streams whose lines go to the handler's log, info and warning, in its bounds ([`crate::stdio`]) |
//! | `cli/terminal-*` | no terminal |
//! | `cli/exit` | the end of the call by a fault |
//! | `io/streams`, `io/poll`, `io/error` | what the streams above need; everything is always ready, and nothing ever fails |
//! | `random/insecure-seed` | two constants: Rust takes the keys of its hash maps from there |
//!
//! They may be called wherever the guest runs, `evolve` and `project` included: nothing that they
//! give depends on anything. A guest pays fuel for each call and each byte, as for our own imports.
//! Which imports are admitted at all is [`crate::class`]'s.

use wasmtime::StoreContextMut;
use wasmtime::component::{
    ComponentType, Linker, LinkerInstance, Lower, Resource, ResourceType, WasmList,
};

use crate::fault::Breach;
use crate::host::Host;
use crate::imports::charge;
use crate::stdio::Stream;

/// Streams and pollables that an instance may hold at a time.
pub(crate) const HANDLES_MAX: usize = 64;

/// The keys of hash maps. They spread no attack, for what an attacker sends is decided by a handler
/// that has them in its code, too; a guest that must withstand crafted keys takes another map.
pub(crate) const SEED: (u64, u64) = (0x7a61_6d75_2073_6565, 0x6420_6f66_206d_6170);

/// Defines them all. The linker matches any `0.2.x` of a guest to this, and each guest is held to the
/// types of what it imports.
pub(crate) fn define(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    command_line(linker)?;
    terminals(linker)?;
    let mut error = linker.instance("wasi:io/error@0.2.6")?;
    resource::<IoError>(&mut error, "error")?;
    error.func_wrap("[method]error.to-debug-string", debug_string)?;
    let mut poll = linker.instance("wasi:io/poll@0.2.6")?;
    resource::<Pollable>(&mut poll, "pollable")?;
    poll.func_wrap("[method]pollable.ready", ready)?;
    poll.func_wrap("[method]pollable.block", block)?;
    poll.func_wrap("poll", poll_all)?;
    let mut streams = linker.instance("wasi:io/streams@0.2.6")?;
    input_streams(&mut streams)?;
    output_streams(&mut streams)?;
    let mut seed = linker.instance("wasi:random/insecure-seed@0.2.6")?;
    seed.func_wrap("insecure-seed", |store, (): ()| free(store, SEED))
}

type Store<'a> = StoreContextMut<'a, Host>;

/// The standard input.
struct InputStream;
/// A standard stream that is written to; [`Stream`] says which.
struct OutputStream;
/// Always ready.
struct Pollable;
/// Never made.
struct IoError;
/// Never made.
struct TerminalInput;
/// Never made.
struct TerminalOutput;

/// Why a stream gives or takes nothing.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[expect(dead_code, reason = "the interface has it, and no stub fails")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

type Streamed<T> = wasmtime::Result<(Result<T, StreamError>,)>;

fn command_line(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    let mut environment = linker.instance("wasi:cli/environment@0.2.6")?;
    environment.func_wrap("get-environment", |store, (): ()| {
        free(store, Vec::<(String, String)>::new())
    })?;
    environment.func_wrap("get-arguments", |store, (): ()| free(store, Vec::<String>::new()))?;
    environment.func_wrap("initial-cwd", |store, (): ()| free(store, None::<String>))?;
    let mut exit = linker.instance("wasi:cli/exit@0.2.6")?;
    exit.func_wrap("exit", |_: Store<'_>, (status,): (Result<(), ()>,)| {
        left(u8::from(status.is_err()))
    })?;
    exit.func_wrap("exit-with-code", |_: Store<'_>, (status,): (u8,)| left(status))?;
    let mut stdin = linker.instance("wasi:cli/stdin@0.2.6")?;
    stdin.func_wrap("get-stdin", |store, (): ()| free(store, own::<InputStream>(0)))?;
    for (interface, function, stream) in [
        ("wasi:cli/stdout@0.2.6", "get-stdout", Stream::Out),
        ("wasi:cli/stderr@0.2.6", "get-stderr", Stream::Err),
    ] {
        let handle = stream as u32;
        linker
            .instance(interface)?
            .func_wrap(function, move |store, (): ()| free(store, own::<OutputStream>(handle)))?;
    }
    Ok(())
}

fn terminals(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    resource::<TerminalInput>(
        &mut linker.instance("wasi:cli/terminal-input@0.2.6")?,
        "terminal-input",
    )?;
    resource::<TerminalOutput>(
        &mut linker.instance("wasi:cli/terminal-output@0.2.6")?,
        "terminal-output",
    )?;
    linker
        .instance("wasi:cli/terminal-stdin@0.2.6")?
        .func_wrap("get-terminal-stdin", |store, (): ()| {
            free(store, None::<Resource<TerminalInput>>)
        })?;
    for (interface, function) in [
        ("wasi:cli/terminal-stdout@0.2.6", "get-terminal-stdout"),
        ("wasi:cli/terminal-stderr@0.2.6", "get-terminal-stderr"),
    ] {
        linker
            .instance(interface)?
            .func_wrap(function, |store, (): ()| free(store, None::<Resource<TerminalOutput>>))?;
    }
    Ok(())
}

fn input_streams(streams: &mut LinkerInstance<'_, Host>) -> wasmtime::Result<()> {
    resource::<InputStream>(streams, "input-stream")?;
    for read in ["[method]input-stream.read", "[method]input-stream.blocking-read"] {
        streams
            .func_wrap(read, |store, _: (Resource<InputStream>, u64)| at_end::<Vec<u8>>(store))?;
    }
    for skip in ["[method]input-stream.skip", "[method]input-stream.blocking-skip"] {
        streams.func_wrap(skip, |store, _: (Resource<InputStream>, u64)| at_end::<u64>(store))?;
    }
    streams.func_wrap("[method]input-stream.subscribe", |store, _: (Resource<InputStream>,)| {
        free(store, own::<Pollable>(0))
    })
}

fn output_streams(streams: &mut LinkerInstance<'_, Host>) -> wasmtime::Result<()> {
    resource::<OutputStream>(streams, "output-stream")?;
    streams
        .func_wrap("[method]output-stream.check-write", |store, _: (Resource<OutputStream>,)| {
            free(store, Ok::<u64, StreamError>(ROOM))
        })?;
    for write in ["[method]output-stream.write", "[method]output-stream.blocking-write-and-flush"] {
        streams.func_wrap(write, write_bytes)?;
    }
    for flush in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        streams.func_wrap(flush, |store, _: (Resource<OutputStream>,)| {
            free(store, Ok::<(), StreamError>(()))
        })?;
    }
    streams
        .func_wrap("[method]output-stream.subscribe", |store, _: (Resource<OutputStream>,)| {
            free(store, own::<Pollable>(0))
        })?;
    for zeroes in [
        "[method]output-stream.write-zeroes",
        "[method]output-stream.blocking-write-zeroes-and-flush",
    ] {
        // A line of the log has no control characters.
        streams.func_wrap(zeroes, |store, _: (Resource<OutputStream>, u64)| {
            free(store, Ok::<(), StreamError>(()))
        })?;
    }
    for splice in ["[method]output-stream.splice", "[method]output-stream.blocking-splice"] {
        type Splice = (Resource<OutputStream>, Resource<InputStream>, u64);
        streams.func_wrap(splice, |store, _: Splice| at_end::<u64>(store))?;
    }
    Ok(())
}

/// What a guest is told that it may write at once, in bytes.
const ROOM: u64 = 64 << 10;

fn write_bytes(
    mut store: Store<'_>,
    (stream, bytes): (Resource<OutputStream>, WasmList<u8>),
) -> Streamed<()> {
    charge(&mut store, bytes.len())?;
    let bytes = bytes.as_le_slice(&store).to_vec();
    let stream = if stream.rep() == Stream::Out as u32 { Stream::Out } else { Stream::Err };
    let host = store.data_mut();
    host.stdio.write(stream, &bytes, &mut host.lines);
    Ok((Ok(()),))
}

fn at_end<T>(store: Store<'_>) -> Streamed<T> {
    free(store, Err(StreamError::Closed))
}

fn left(status: u8) -> wasmtime::Result<()> {
    Err(Breach::Exit { status }.into())
}

fn debug_string(store: Store<'_>, _: (Resource<IoError>,)) -> wasmtime::Result<(String,)> {
    free(store, String::new())
}

fn ready(store: Store<'_>, _: (Resource<Pollable>,)) -> wasmtime::Result<(bool,)> {
    free(store, true)
}

fn block(mut store: Store<'_>, _: (Resource<Pollable>,)) -> wasmtime::Result<()> {
    charge(&mut store, 0)
}

/// All of them are ready. To ask for none is a mistake, by the interface's own words.
fn poll_all(
    mut store: Store<'_>,
    (pollables,): (Vec<Resource<Pollable>>,),
) -> wasmtime::Result<(Vec<u32>,)> {
    charge(&mut store, pollables.len() * 8)?;
    if pollables.is_empty() {
        return Err(Breach::PollOfNothing.into());
    }
    Ok(((0..pollables.len() as u32).collect(),))
}

/// Gives a value that costs a call and nothing else.
fn free<T>(mut store: Store<'_>, value: T) -> wasmtime::Result<(T,)> {
    charge(&mut store, 0)?;
    Ok((value,))
}

fn own<T: 'static>(rep: u32) -> Resource<T> {
    Resource::new_own(rep)
}

/// Nothing is kept for a resource, so nothing is done when one is dropped.
fn resource<T: 'static>(
    instance: &mut LinkerInstance<'_, Host>,
    name: &str,
) -> wasmtime::Result<()> {
    instance.resource(name, ResourceType::host::<T>(), |_, _| Ok(()))
}

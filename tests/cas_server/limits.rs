//! Many clients, little room, and clients that do harm.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dscript::cas::api::reapi::{self, ActionResult, OutputDirectory, OutputFile};
use dscript::cas::server::{Event, Listener, Server, ServerOptions};
use dscript::cas::{Digest, Store};
use tonic::Code;

use super::scene::{Client, MIB, Scene, block, directory, noise, pieces};

fn used(scene: &Scene) -> u64 {
    let blobs = Store::open(scene.store()).unwrap().stats().unwrap();
    blobs.bytes
}

#[test]
fn what_was_used_least_lately_goes() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&events);
    let scene = Scene::with(|options| {
        options.max_size = 4 * MIB as u64;
        options.listener = Listener(Arc::new(move |event| told.lock().unwrap().push(event.clone())));
    });
    block(async {
        let mut client = scene.client().await;
        let blobs: Vec<Vec<u8>> = (0..60).map(|number| noise(100_000, 100 + number)).collect();
        let digests: Vec<Digest> = blobs.iter().map(|blob| Digest::of(blob)).collect();
        client.put(&blobs[0]).await;
        client.put(&blobs[1]).await;
        for number in 2..60 {
            client.put(&blobs[number]).await;
            // The first one is asked for again and again, the second one read.
            assert!(client.has(&digests[0]).await, "{number}");
            assert_eq!(client.get(&digests[1]).await.unwrap(), blobs[1], "{number}");
        }
        let missing = client.missing(&digests).await;
        assert!(missing.len() > 15 && missing.len() < 45, "{}", missing.len());
        // All that went is older than all that stayed.
        assert_eq!(missing, digests[2..2 + missing.len()]);
        assert!(used(&scene) <= 4 * MIB as u64);
        {
            let events = events.lock().unwrap();
            let expired = |event: &Event| matches!(event, Event::Expired { blobs, .. } if *blobs > 0);
            assert!(events.iter().any(expired), "{events:?}");
        }
        // What never fits is refused at once, and costs nothing that is there.
        assert_eq!(
            client
                .upload(&format!("uploads/u/blobs/{}", Digest { size: 5 << 20, ..digests[0] }), b"x", 0, 1)
                .await
                .unwrap_err()
                .code(),
            Code::ResourceExhausted
        );
        assert_eq!(client.missing(&digests).await, missing);
    });
}

#[test]
fn expiry_never_takes_what_stays_needs() {
    let mut scene = Scene::with(|options| options.max_size = 3 * MIB as u64);
    let mut state = 12345_u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut directories: Vec<(Digest, reapi::Directory)> = Vec::new();
    let mut results: Vec<(Digest, Digest)> = Vec::new();
    for round in 0..4 {
        block(async {
            let mut client = scene.client().await;
            for number in 0..60_u64 {
                let seed = round * 1000 + number;
                // A directory with files of its own, and some directories from before that are still there.
                let mut files = Vec::new();
                for at in 0..3 {
                    let size = 1000 + random(20_000) as usize;
                    files.push(client.put(&noise(size, seed * 10 + at)).await);
                }
                let mut below = Vec::new();
                for _ in 0..random(3) {
                    if !directories.is_empty() {
                        let (digest, _) = &directories[random(directories.len() as u64) as usize];
                        // Whoever finds it there relies on all that is below.
                        if client.has(digest).await {
                            below.push(*digest);
                        }
                    }
                }
                below.sort();
                below.dedup();
                let names: Vec<String> = (0..10).map(|name| name.to_string()).collect();
                let listed: Vec<(&str, Digest)> =
                    files.iter().enumerate().map(|(at, file)| (names[at].as_str(), *file)).collect();
                let nested: Vec<(&str, Digest)> =
                    below.iter().enumerate().map(|(at, digest)| (names[5 + at].as_str(), *digest)).collect();
                let made = directory(&listed, &nested);
                let digest = client.put_message(&made).await;
                directories.push((digest, made));
                if number % 5 == 0 {
                    let action = Digest::of(&seed.to_le_bytes());
                    let result = ActionResult {
                        output_directories: vec![OutputDirectory {
                            path: "d".to_owned(),
                            root_directory_digest: Some(digest.into()),
                            ..Default::default()
                        }],
                        ..Default::default()
                    };
                    client.put_result(&action, result).await.unwrap();
                    results.push((action, digest));
                }
                // Old ones are used again: a look at a root is a use of everything.
                if number % 7 == 0 && !results.is_empty() {
                    let (action, _) = results[random(results.len() as u64) as usize];
                    let _ = client.result(&action).await;
                }
            }
        });
        let check = |scene: &Scene| {
            let store = Store::open(scene.store()).unwrap();
            let mut whole = 0;
            for (digest, directory) in &directories {
                if !store.contains(digest).unwrap() {
                    continue;
                }
                whole += 1;
                let needs = directory
                    .files
                    .iter()
                    .map(|file| file.digest.as_ref())
                    .chain(directory.directories.iter().map(|child| child.digest.as_ref()));
                for need in needs {
                    let need: Digest = need.unwrap().try_into().unwrap();
                    assert!(store.contains(&need).unwrap(), "{digest} dangles: {need} has gone");
                }
            }
            assert!(whole > 5, "{whole}");
            assert!(whole < directories.len() || round == 0, "nothing had to go");
            assert!(store.verify(true).unwrap().removed.is_empty());
        };
        // Last uses outlive a restart.
        scene.restart(check);
    }
    block(async {
        let mut client = scene.client().await;
        let mut there = 0;
        for (action, root) in &results {
            if client.result(action).await.is_ok() {
                there += 1;
                assert!(client.has(root).await);
            }
        }
        assert!(there > 0 && there < results.len(), "{there} of {}", results.len());
    });
}

#[test]
fn the_use_of_a_tree_is_a_use_of_its_files() {
    let scene = Scene::with(|options| options.max_size = 2 * MIB as u64);
    block(async {
        let mut client = scene.client().await;
        let file = client.put(&noise(10_000, 1)).await;
        let tree = reapi::Tree { root: Some(directory(&[("f", file)], &[])), children: Vec::new() };
        let tree_digest = client.put_message(&tree).await;
        let action = Digest::of(b"action");
        let result = ActionResult {
            output_files: vec![OutputFile { path: "f".to_owned(), digest: Some(file.into()), ..Default::default() }],
            output_directories: vec![OutputDirectory {
                path: "d".to_owned(),
                tree_digest: Some(tree_digest.into()),
                ..Default::default()
            }],
            ..Default::default()
        };
        client.put_result(&action, result).await.unwrap();
        for number in 0..60 {
            client.put(&noise(100_000, 1000 + number)).await;
            client.result(&action).await.unwrap();
        }
        assert_eq!(client.missing(&[file, tree_digest]).await, []);
        // And without a use, all of it goes, the result first.
        for number in 0..60 {
            client.put(&noise(100_000, 2000 + number)).await;
        }
        assert_eq!(client.result(&action).await, Err(Code::NotFound));
        assert_eq!(client.missing(&[file, tree_digest]).await.len(), 2);
    });
}

#[test]
fn unfinished_uploads_count_and_make_room_for_others() {
    let scene = Scene::with(|options| options.max_size = 8 * MIB as u64);
    block(async {
        let mut client = scene.client().await;
        for number in 0..6 {
            let bytes = noise(4 * MIB, 50 + number);
            let name = format!("uploads/{number}/blobs/{}", Digest::of(&bytes));
            let mut messages = pieces(&name, &bytes, 0, MIB);
            messages.truncate(3);
            client.write(messages).await.unwrap();
        }
        let folder = std::fs::read_dir(scene.store().join("tmp")).unwrap();
        let taken: u64 = folder.map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
        assert!(taken <= 8 * MIB as u64, "{taken}");
        for number in 0..3 {
            let bytes = noise(3 * MIB, 80 + number);
            let name = format!("uploads/whole/blobs/{}", Digest::of(&bytes));
            client.upload(&name, &bytes, 0, MIB).await.unwrap();
        }
    });
}

#[test]
fn a_small_blob_goes_before_an_upload_that_nobody_goes_on_with() {
    let scene = Scene::with(|options| options.max_size = 4 * MIB as u64);
    block(async {
        let mut client = scene.client().await;
        for number in 0..3 {
            let bytes = noise(3 * MIB, 60 + number);
            let mut messages = pieces(&format!("uploads/u/blobs/{}", Digest::of(&bytes)), &bytes, 0, MIB);
            messages.truncate(2);
            client.write(messages).await.unwrap();
            // In one message.
            let small = noise(900_000, 70 + number);
            client.upload(&format!("uploads/v/blobs/{}", Digest::of(&small)), &small, 0, MIB).await.unwrap();
        }
    });
}

#[test]
fn what_unpacks_to_much_takes_no_more_room_than_there_is() {
    let scene = Scene::with(|options| options.max_size = 8 * MIB as u64);
    block(async {
        let mut client = scene.client().await;
        client.put(&noise(MIB / 2, 1)).await;
        let zeros = vec![0; 7 * MIB];
        let packed = zstd::encode_all(&zeros[..], 3).unwrap();
        for number in 0..4 {
            // Each is another blob, and none comes to its end.
            let digest = Digest { size: zeros.len() as u64, ..Digest::of(&[number]) };
            let name = format!("uploads/u/compressed-blobs/zstd/{digest}");
            let mut messages = pieces(&name, &packed, 0, MIB);
            messages.last_mut().unwrap().finish_write = false;
            let _ = client.write(messages).await;
            let folder = std::fs::read_dir(scene.store().join("tmp")).unwrap();
            let taken: u64 = folder.map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
            assert!(taken + used(&scene) <= 8 * MIB as u64, "{taken}");
        }
    });
}

#[test]
fn many_clients_are_served_at_once() {
    let scene = Scene::with(|options| options.max_requests = 32);
    block(async {
        let url = scene.url();
        let tasks: Vec<_> = (0..200_u64)
            .map(|number| {
                let url = url.clone();
                tokio::spawn(async move {
                    let mut client = Client::connect(&url).await;
                    let own = noise(20_000, number);
                    let digest = client.put(&own).await;
                    let shared = noise(3000, number % 7);
                    let other = client.put(&shared).await;
                    assert_eq!(client.get(&digest).await.unwrap(), own);
                    assert_eq!(client.read(&other).await.unwrap(), shared);
                    assert_eq!(client.read(&digest).await.unwrap(), own);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert!(Store::open(scene.store()).unwrap().verify(true).unwrap().removed.is_empty());
}

#[test]
fn connections_are_limited_and_those_that_say_garbage_end() {
    let scene = Scene::with(|options| options.max_connections = 2);
    let address = scene.running.as_ref().unwrap().address();
    // Each of these ends by itself, or they would keep everybody out.
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\0\0\0",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(garbage).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    block(async {
        let mut first = scene.client().await;
        let second = scene.client().await;
        first.put(b"text").await;
        let url = scene.url();
        let mut third = tokio::spawn(async move {
            let mut client = Client::connect(&url).await;
            client.has(&Digest::of(b"text")).await
        });
        let early = tokio::time::timeout(Duration::from_millis(300), &mut third).await;
        assert!(early.is_err(), "it was let in");
        drop(second);
        assert!(third.await.unwrap());
    });
}

#[test]
fn only_the_first_connections_may_have_much_on_its_way() {
    let scene = Scene::new();
    let address = scene.running.as_ref().unwrap().address();
    let mut connections = Vec::new();
    let mut windows = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
        // The first frame is of settings, of six bytes each: number 4 is what a stream may send before it is read.
        let mut header = [0; 9];
        stream.read_exact(&mut header).unwrap();
        assert_eq!(header[3], 4);
        let mut settings = vec![0; usize::from(header[1]) << 8 | usize::from(header[2])];
        stream.read_exact(&mut settings).unwrap();
        let window = settings.chunks(6).find(|setting| setting[..2] == [0, 4]).unwrap();
        windows.push(u32::from_be_bytes(window[2..].try_into().unwrap()));
        connections.push(stream);
    }
    assert_eq!(windows[..128], [2 << 20; 128]);
    assert_eq!(windows[128..], [128 << 10; 72]);
}

#[test]
fn a_server_ends_with_what_it_has_begun() {
    let scene = Scene::new();
    let bytes = noise(4 * MIB, 1);
    let digest = Digest::of(&bytes);
    let Scene { folder, running, options } = scene;
    block(async {
        let running = running.unwrap();
        let url = running.url().to_owned();
        let mut client = Client::connect(&url).await;
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let mut streams = client.streams.clone();
        let writing =
            tokio::spawn(async move { streams.write(tokio_stream::wrappers::ReceiverStream::new(receiver)).await });
        let messages = pieces(&format!("uploads/u/blobs/{digest}"), &bytes, 0, MIB);
        sender.send(messages[0].clone()).await.unwrap();
        sender.send(messages[1].clone()).await.unwrap();
        // It has begun once something has arrived.
        let name = format!("uploads/u/blobs/{digest}");
        let begun = Instant::now();
        while client.status(&name).await.map_or(0, |(arrived, _)| arrived) == 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "nothing arrives");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let ending = tokio::task::spawn_blocking(move || running.stop());
        tokio::time::sleep(Duration::from_millis(300)).await;
        for message in &messages[2..] {
            sender.send(message.clone()).await.unwrap();
        }
        drop(sender);
        assert_eq!(writing.await.unwrap().unwrap().into_inner().committed_size, 4 * MIB as i64);
        drop(client);
        ending.await.unwrap().unwrap();
        // A stream that hangs does not keep it for ever.
        let running = Server::bind(options.clone()).unwrap().start().unwrap();
        let client = Client::connect(running.url()).await;
        let (_sender, receiver) = tokio::sync::mpsc::channel(1);
        let mut streams = client.streams.clone();
        let hanging =
            tokio::spawn(async move { streams.write(tokio_stream::wrappers::ReceiverStream::new(receiver)).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begun = Instant::now();
        tokio::task::spawn_blocking(move || running.stop()).await.unwrap().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        assert!(hanging.await.unwrap().is_err());
    });
    let store = Store::open(&options.folder).unwrap();
    assert_eq!(store.read(&digest).unwrap(), bytes);
    drop(folder);
}

#[test]
fn a_folder_is_served_by_one_server() {
    let scene = Scene::new();
    let refused = Server::bind(ServerOptions::new(scene.store())).unwrap_err();
    assert!(refused.to_string().ends_with("is in use by another process"), "{refused}");
    let store = Store::open(scene.store()).unwrap();
    assert!(store.try_hold().is_err());
    assert!(store.gc(&|_| false, Duration::ZERO).is_err());
}

#[test]
fn a_store_that_somebody_else_keeps_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let digest = Store::open(folder.path()).unwrap().add_bytes(b"of a build").unwrap();
    let refused = Server::bind(ServerOptions::new(folder.path())).unwrap_err();
    assert!(refused.to_string().ends_with("give it a folder of its own"), "{refused}");
    assert!(Store::open(folder.path()).unwrap().contains(&digest).unwrap());
}

//! Blobs as streams: parts of them, uploads that go on where they were, and clients that stop.

use std::time::{Duration, Instant};

use dscript::cas::Digest;
use dscript::cas::api::bytestream::{ReadRequest, WriteRequest};
use dscript::cas::api::reapi::GetTreeRequest;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Code, Status};

use super::scene::{Client, MIB, Scene, block, directory, noise, pieces};

fn upload_name(digest: &Digest) -> String {
    format!("main/uploads/5d1f0b7c/blobs/{digest}")
}

#[test]
fn parts_of_a_blob_are_read_in_pieces() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        for (size, messages) in [(10, 1), (MIB, 1), (MIB + 1, 2), (3 * MIB + 7, 4)] {
            let bytes = noise(size, 1);
            let digest = Digest::of(&bytes);
            assert_eq!(client.upload(&upload_name(&digest), &bytes, 0, MIB).await.unwrap(), size as i64);
            for name in [format!("blobs/{digest}"), format!("a/b/blobs/{digest}"), format!("blobs/sha256/{digest}")] {
                let got = client.read_part(&name, 0, 0).await.unwrap();
                assert_eq!(got.len(), messages, "{size}");
                assert!(got.iter().all(|piece| piece.len() <= MIB));
                assert_eq!(got.concat(), bytes);
            }
            let name = format!("blobs/{digest}");
            let half = size / 2;
            let parts = [(0, 1), (1, 0), (half, 0), (half, 3), (size - 1, 0), (size - 1, size), (size, 0), (0, size)];
            for (offset, limit) in parts {
                let end = if limit == 0 { size } else { size.min(offset + limit) };
                let got = client.read_part(&name, offset as i64, limit as i64).await.unwrap().concat();
                assert_eq!(got, bytes[offset..end], "{size} {offset} {limit}");
            }
            for (offset, limit, code) in [
                (size as i64 + 1, 0, Code::OutOfRange),
                (i64::MAX, 1, Code::OutOfRange),
                (-1, 0, Code::OutOfRange),
                (0, -1, Code::InvalidArgument),
            ] {
                assert_eq!(client.read_part(&name, offset, limit).await.unwrap_err().code(), code, "{offset} {limit}");
            }
        }
        let missing = Digest::of(b"missing");
        assert_eq!(client.read(&missing).await, Err(Code::NotFound));
        assert_eq!(client.read(&Digest { size: 99 << 40, ..missing }).await, Err(Code::NotFound));
        assert_eq!(client.read(&Digest::EMPTY).await.unwrap(), b"");
        assert_eq!(client.read_part("blobs/x", 0, 0).await.unwrap_err().code(), Code::InvalidArgument);
    });
}

#[test]
fn streams_may_be_compressed() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        let mut bytes = b"line after line\n".repeat(200_000);
        bytes.extend(noise(2 * MIB, 1));
        let digest = Digest::of(&bytes);
        let packed = zstd::encode_all(&bytes[..], 3).unwrap();
        let name = format!("uploads/u/compressed-blobs/zstd/{digest}");
        assert_eq!(client.upload(&name, &packed, 0, 100_000).await.unwrap(), packed.len() as i64);
        assert_eq!(client.read(&digest).await.unwrap(), bytes);
        // It is there already: how long the stream would have been is not known.
        assert_eq!(client.upload(&name, &packed, 0, 100_000).await.unwrap(), -1);
        assert_eq!(client.status(&name).await.unwrap(), (0, true));
        let name = format!("compressed-blobs/zstd/{digest}");
        for offset in [0, 1, 3_000_000, bytes.len()] {
            let got = client.read_part(&name, offset as i64, 0).await.unwrap();
            assert!(got.iter().all(|piece| piece.len() <= MIB));
            let got = got.concat();
            assert!(offset > 0 || got.len() < bytes.len());
            assert_eq!(zstd::decode_all(&got[..]).unwrap(), bytes[offset..], "{offset}");
        }
        assert_eq!(client.read_part(&name, 0, 5).await.unwrap_err().code(), Code::InvalidArgument);
        let empty = client.read_part(&format!("compressed-blobs/zstd/{}", Digest::EMPTY), 0, 0).await.unwrap();
        assert_eq!(zstd::decode_all(&empty.concat()[..]).unwrap(), b"");

        // What is no stream, what is cut short, and what would be too much.
        let other = Digest::of(b"other");
        let name = format!("uploads/v/compressed-blobs/zstd/{other}");
        let cut = zstd::encode_all(&b"other"[..], 3).unwrap();
        let bomb = zstd::encode_all(&vec![0; 100_000_000][..], 3).unwrap();
        for wrong in [&b"other"[..], &cut[..cut.len() - 4], &bomb[..], b""] {
            assert_eq!(client.upload(&name, wrong, 0, 1000).await.unwrap_err().code(), Code::InvalidArgument);
            assert!(!client.has(&other).await);
        }
        assert_eq!(client.upload(&name, &cut, 0, 3).await.unwrap(), cut.len() as i64);
        assert!(client.has(&other).await);
    });
}

#[test]
fn compressed_streams_may_refer_back_by_eight_mebibytes() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        let bytes = noise(20 * MIB, 2);
        let digest = Digest::of(&bytes);
        let name = format!("uploads/u/compressed-blobs/zstd/{digest}");
        for (window, taken) in [(24, false), (23, true)] {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.window_log(window).unwrap();
            std::io::Write::write_all(&mut encoder, &bytes).unwrap();
            let packed = encoder.finish().unwrap();
            match client.upload(&name, &packed, 0, MIB).await {
                Ok(size) => assert!(taken && size == packed.len() as i64),
                Err(refused) => assert!(!taken && refused.code() == Code::InvalidArgument, "{refused}"),
            }
        }
        assert_eq!(client.read(&digest).await.unwrap(), bytes);
    });
}

#[test]
fn only_what_is_as_promised_is_taken() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        for size in [100, 3 * MIB] {
            let right = noise(size, 5);
            let digest = Digest::of(&right);
            let name = upload_name(&digest);
            let wrong = noise(size, 6);
            let mut long = right.clone();
            long.push(0);
            for bytes in [&wrong[..], &right[..size - 1], &long, b""] {
                for piece in [MIB, 70_000] {
                    let refused = client.upload(&name, bytes, 0, piece).await.unwrap_err();
                    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
                    assert!(!client.has(&digest).await);
                }
            }
            assert_eq!(client.upload(&name, &right, 0, 33_333).await.unwrap(), size as i64);
            // Whatever comes after that is not even looked at.
            assert_eq!(client.upload(&name, &right, 0, MIB).await.unwrap(), size as i64);
            assert_eq!(client.read(&digest).await.unwrap(), right);
        }
        let bytes = noise(MIB, 7);
        let digest = Digest::of(&bytes);
        let name = upload_name(&digest);
        let mut changed = pieces(&name, &bytes, 0, 1000);
        changed[3].resource_name = "uploads/other/blobs/x/1".to_owned();
        assert_eq!(client.write(changed).await.unwrap_err().code(), Code::InvalidArgument);
        let mut jumped = pieces(&name, &bytes, 0, 1000);
        jumped[3].write_offset += 1;
        assert_eq!(client.write(jumped).await.unwrap_err().code(), Code::InvalidArgument);
        let mut negative = pieces(&name, &bytes, 0, 1000);
        negative[0].write_offset = -1;
        assert_eq!(client.write(negative).await.unwrap_err().code(), Code::InvalidArgument);
        assert_eq!(client.write(Vec::new()).await.unwrap_err().code(), Code::InvalidArgument);
        let nameless = vec![WriteRequest { finish_write: true, ..Default::default() }];
        assert_eq!(client.write(nameless).await.unwrap_err().code(), Code::InvalidArgument);
        assert_eq!(client.status("uploads").await.unwrap_err().code(), Code::InvalidArgument);
        // A piece that is larger than a message may be.
        let piece = WriteRequest { resource_name: name, data: noise(5 * MIB, 8), ..Default::default() };
        let refused = client.write(vec![piece]).await.unwrap_err();
        assert!(matches!(refused.code(), Code::OutOfRange | Code::ResourceExhausted), "{refused}");
        assert!(!client.has(&digest).await);
    });
}

#[test]
fn the_empty_blob_can_be_written_too() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        let name = upload_name(&Digest::EMPTY);
        assert_eq!(client.upload(&name, b"", 0, 1).await.unwrap(), 0);
        assert_eq!(client.status(&name).await.unwrap(), (0, true));
    });
}

type Writing = tokio::task::JoinHandle<Result<i64, Status>>;

// Begins to write with these messages, and lets the stream hang there; more may be sent.
async fn begin(client: &Client, messages: &[WriteRequest]) -> (mpsc::Sender<WriteRequest>, Writing) {
    let (sender, receiver) = mpsc::channel(messages.len().max(1));
    for message in messages {
        sender.send(message.clone()).await.unwrap();
    }
    let mut streams = client.streams.clone();
    let writing = tokio::spawn(async move {
        let answer = streams.write(ReceiverStream::new(receiver)).await;
        answer.map(|answer| answer.into_inner().committed_size)
    });
    (sender, writing)
}

async fn until_received(client: &mut Client, name: &str, least: i64) -> i64 {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let (size, complete) = client.status(name).await.unwrap();
        assert!(!complete);
        if size >= least {
            return size;
        }
        assert!(Instant::now() < end, "{size} of {least}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn an_upload_goes_on_after_its_connection_broke() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        let bytes = noise(8 * MIB + 5, 9);
        let packed = zstd::encode_all(&bytes[..], 1).unwrap();
        let digest = Digest::of(&bytes);
        let cases =
            [(format!("uploads/u/compressed-blobs/zstd/{digest}"), packed), (upload_name(&digest), bytes.clone())];
        for (name, stream) in cases {
            assert_eq!(client.status(&name).await.unwrap(), (0, false));
            let messages = pieces(&name, &stream, 0, MIB);
            let doomed = scene.client().await;
            let (sender, task) = begin(&doomed, &messages[..5]).await;
            let received = until_received(&mut client, &name, 4 * MIB as i64).await;
            task.abort();
            drop((sender, doomed));
            // Not from anywhere, but from where it was.
            let beyond = client.upload(&name, &stream, 7 * MIB, MIB).await.unwrap_err();
            assert_eq!(beyond.code(), Code::InvalidArgument);
            let (received_then, complete) = client.status(&name).await.unwrap();
            assert!(received_then >= received && !complete);
            // And a little earlier is fine too: then the same bytes come again.
            let committed = client.upload(&name, &stream, received as usize - 1000, MIB).await.unwrap();
            assert_eq!(committed, stream.len() as i64);
            assert_eq!(client.read(&digest).await.unwrap(), bytes);
            std::fs::remove_file(scene.file(&digest)).unwrap();
            assert_eq!(client.read(&digest).await, Err(Code::NotFound));
        }
        assert_eq!(std::fs::read_dir(scene.store().join("tmp")).unwrap().count(), 0);
    });
}

#[test]
fn a_client_may_stop_and_say_so() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        let bytes = noise(2 * MIB, 10);
        let digest = Digest::of(&bytes);
        let name = upload_name(&digest);
        let mut messages = pieces(&name, &bytes, 0, MIB / 2);
        messages.truncate(3);
        assert_eq!(client.write(messages).await.unwrap(), 3 * MIB as i64 / 2);
        assert_eq!(client.status(&name).await.unwrap(), (3 * MIB as i64 / 2, false));
        assert!(!client.has(&digest).await);
        // An earlier offset than the last one is fine: the same bytes come again.
        assert_eq!(client.upload(&name, &bytes, MIB, 1000).await.unwrap(), 2 * MIB as i64);
        assert_eq!(client.read(&digest).await.unwrap(), bytes);
        // And so is a fresh start.
        let bytes = noise(2 * MIB, 11);
        let digest = Digest::of(&bytes);
        let name = upload_name(&digest);
        let mut messages = pieces(&name, &bytes, 0, MIB / 2);
        messages.truncate(3);
        client.write(messages).await.unwrap();
        assert_eq!(client.upload(&name, &bytes, 0, MIB).await.unwrap(), 2 * MIB as i64);
        assert_eq!(client.read(&digest).await.unwrap(), bytes);
    });
}

#[test]
fn the_last_client_that_comes_for_an_upload_has_it() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        let bytes = noise(4 * MIB, 12);
        let digest = Digest::of(&bytes);
        let name = upload_name(&digest);
        let messages = pieces(&name, &bytes, 0, MIB);
        let first = scene.client().await;
        // This one has not noticed yet that it is gone.
        let (sender, task) = begin(&first, &messages[..2]).await;
        let received = until_received(&mut client, &name, MIB as i64).await;
        assert_eq!(client.upload(&name, &bytes, received as usize, MIB).await.unwrap(), 4 * MIB as i64);
        for message in &messages[2..] {
            let _ = sender.send(message.clone()).await;
        }
        let _ = tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap();
        assert_eq!(client.read(&digest).await.unwrap(), bytes);
    });
}

#[test]
fn a_wrong_offset_takes_no_upload_from_its_client() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        let bytes = noise(4 * MIB, 17);
        let digest = Digest::of(&bytes);
        let packed = zstd::encode_all(&bytes[..], 1).unwrap();
        let cases =
            [(format!("uploads/u/compressed-blobs/zstd/{digest}"), packed), (upload_name(&digest), bytes.clone())];
        for (name, stream) in cases {
            let beyond = client.upload(&name, &stream, MIB, MIB).await.unwrap_err();
            assert_eq!(beyond.code(), Code::InvalidArgument);
            let messages = pieces(&name, &stream, 0, MIB);
            let (sender, writing) = begin(&scene.client().await, &messages[..2]).await;
            until_received(&mut client, &name, MIB as i64).await;
            let beyond = client.upload(&name, &stream, 3 * MIB, MIB).await.unwrap_err();
            assert_eq!(beyond.code(), Code::InvalidArgument);
            for message in &messages[2..] {
                sender.send(message.clone()).await.unwrap();
            }
            assert_eq!(writing.await.unwrap().unwrap(), stream.len() as i64);
            assert_eq!(client.read(&digest).await.unwrap(), bytes);
            std::fs::remove_file(scene.file(&digest)).unwrap();
            assert_eq!(client.read(&digest).await, Err(Code::NotFound));
        }
    });
}

#[test]
fn an_upload_ends_when_somebody_else_has_brought_the_blob() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        let bytes = noise(8 * MIB, 13);
        let digest = Digest::of(&bytes);
        let slow = format!("uploads/slow/blobs/{digest}");
        let messages = pieces(&slow, &bytes, 0, MIB);
        let (sender, writing) = begin(&scene.client().await, &messages[..2]).await;
        until_received(&mut client, &slow, MIB as i64).await;
        client.upload(&upload_name(&digest), &bytes, 0, MIB).await.unwrap();
        // It is told with what it sends next, long before it has sent everything.
        for message in &messages[2..4] {
            let _ = sender.send(message.clone()).await;
        }
        let answer = tokio::time::timeout(Duration::from_secs(10), writing).await.unwrap().unwrap().unwrap();
        assert_eq!(answer, 8 * MIB as i64);
    });
}

#[test]
fn clients_that_stand_still_are_given_up_and_may_come_back() {
    let scene = Scene::with(|options| options.patience = Duration::from_millis(500));
    block(async {
        let mut client = scene.client().await;
        let bytes = noise(3 * MIB, 14);
        let digest = Digest::of(&bytes);
        let name = upload_name(&digest);
        let messages = pieces(&name, &bytes, 0, MIB);
        let (_sender, writing) = begin(&scene.client().await, &messages[..2]).await;
        let ended = writing.await.unwrap().unwrap_err();
        assert_eq!(ended.code(), Code::DeadlineExceeded);
        let (received, _) = client.status(&name).await.unwrap();
        assert_eq!(received, 2 * MIB as i64);
        client.upload(&name, &bytes, 2 * MIB, MIB).await.unwrap();

        // One that reads nothing: what it asked for is broken off, and others are served.
        let bytes = noise(40 * MIB, 15);
        let digest = Digest::of(&bytes);
        client.upload(&upload_name(&digest), &bytes, 0, MIB).await.unwrap();
        let mut slow = scene.client().await;
        let request = ReadRequest { resource_name: format!("blobs/{digest}"), ..Default::default() };
        let mut stream = slow.streams.read(request).await.unwrap().into_inner();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(client.read(&digest).await.unwrap(), bytes);
        let mut got = 0;
        let ended = loop {
            match stream.message().await {
                Ok(Some(message)) => got += message.data.len(),
                ended => break ended,
            }
        };
        assert!(got < bytes.len(), "it was not broken off");
        assert!(ended.is_err(), "a part passes for the whole");
    });
}

#[test]
fn a_part_of_a_tree_passes_for_no_whole_either() {
    let scene = Scene::with(|options| options.patience = Duration::from_secs(2));
    block(async {
        let mut client = scene.client().await;
        let file = client.put(b"file").await;
        let mut directories = Vec::new();
        for number in 0..20 {
            let names: Vec<String> = (0..1000).map(|at| format!("{number:050}-{at:050}")).collect();
            let files: Vec<(&str, Digest)> = names.iter().map(|name| (name.as_str(), file)).collect();
            directories.push((number.to_string(), client.put_message(&directory(&files, &[])).await));
        }
        let mut nested: Vec<(&str, Digest)> =
            directories.iter().map(|(name, digest)| (name.as_str(), *digest)).collect();
        nested.sort();
        let root = client.put_message(&directory(&[], &nested)).await;
        let endpoint = Endpoint::from_shared(scene.url().replace("grpc://", "http://")).unwrap();
        let endpoint = endpoint.initial_stream_window_size(60_000).initial_connection_window_size(60_000);
        let mut slow = Client::on(endpoint.connect().await.unwrap());
        let request = GetTreeRequest { root_digest: Some(root.into()), page_size: 1, ..Default::default() };
        let mut stream = slow.cas.get_tree(request).await.unwrap().into_inner();
        // Long enough to be given up, and too short for the connection to be ended.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let mut got = 0;
        while let Ok(Some(page)) = stream.message().await.inspect_err(|_| got = usize::MAX) {
            got += page.directories.len();
        }
        assert_eq!(got, usize::MAX, "it ended well");
    });
}

#[test]
fn clients_that_send_very_slowly_are_given_up_and_may_come_back() {
    let scene = Scene::with(|options| options.patience = Duration::from_secs(1));
    block(async {
        let mut client = scene.client().await;
        let bytes = noise(MIB, 18);
        let digest = Digest::of(&bytes);
        let name = upload_name(&digest);
        let messages = pieces(&name, &bytes, 0, 10);
        let (sender, writing) = begin(&scene.client().await, &[]).await;
        tokio::spawn(async move {
            for message in messages {
                if sender.send(message).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let ended = writing.await.unwrap().unwrap_err();
        assert_eq!(ended.code(), Code::DeadlineExceeded);
        let (received, _) = client.status(&name).await.unwrap();
        assert!(received > 0 && received < 10_000, "{received}");
        assert_eq!(client.upload(&name, &bytes, received as usize, MIB).await.unwrap(), MIB as i64);
        assert_eq!(client.read(&digest).await.unwrap(), bytes);
    });
}

#[test]
fn a_client_may_read_slowly_as_long_as_it_goes_on() {
    let scene = Scene::with(|options| options.patience = Duration::from_secs(3));
    block(async {
        let mut client = scene.client().await;
        let bytes = noise(20 * MIB, 19);
        let digest = Digest::of(&bytes);
        client.upload(&upload_name(&digest), &bytes, 0, MIB).await.unwrap();
        let request = ReadRequest { resource_name: format!("blobs/{digest}"), ..Default::default() };
        let mut stream = client.streams.read(request).await.unwrap().into_inner();
        let mut got = Vec::new();
        while let Some(message) = stream.message().await.unwrap() {
            got.extend(message.data);
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        assert!(got == bytes);
    });
}

#[test]
fn a_client_that_takes_no_answers_loses_its_connection() {
    let scene = Scene::with(|options| {
        options.patience = Duration::from_millis(500);
        options.max_requests = 2;
    });
    block(async {
        let mut client = scene.client().await;
        let large = noise(20 * MIB, 20);
        let digest = Digest::of(&large);
        client.upload(&upload_name(&digest), &large, 0, MIB).await.unwrap();
        let small = noise(MIB - 10, 21);
        client.put(&small).await;
        // A stream that it does not read takes all that the connection may have on its way, so that nothing else comes.
        let endpoint = Endpoint::from_shared(scene.url().replace("grpc://", "http://")).unwrap();
        let endpoint = endpoint.initial_stream_window_size(60_000).initial_connection_window_size(60_000);
        let mut stuck = Client::on(endpoint.connect().await.unwrap());
        let request = ReadRequest { resource_name: format!("blobs/{digest}"), ..Default::default() };
        let stream = stuck.streams.read(request).await.unwrap().into_inner();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let waiting = (0..2).map(|_| {
            let mut stuck = stuck.clone();
            let digest = Digest::of(&small);
            tokio::spawn(async move { stuck.get(&digest).await })
        });
        for waiting in waiting.collect::<Vec<_>>() {
            assert!(waiting.await.unwrap().is_err());
        }
        assert_eq!(client.get(&Digest::of(&small)).await.unwrap(), small);
        drop(stream);
    });
}

#[test]
fn uploads_that_nobody_goes_on_with_are_removed() {
    let scene = Scene::with(|options| options.keep_uploads = Duration::ZERO);
    block(async {
        let mut client = scene.client().await;
        let bytes = noise(2 * MIB, 16);
        let name = upload_name(&Digest::of(&bytes));
        let mut messages = pieces(&name, &bytes, 0, MIB);
        messages.truncate(1);
        client.write(messages).await.unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while std::fs::read_dir(scene.store().join("tmp")).unwrap().count() > 0 {
            assert!(Instant::now() < end);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(client.status(&name).await.unwrap(), (0, false));
    });
}

//! Blobs in batches, trees, and what the server says of itself.

use dscript::cas::Digest;
use dscript::cas::api::reapi::{self, batch_update_blobs_request, compressor};
use tonic::Code;

use super::scene::{Client, MIB, Scene, block, directory, noise};

#[test]
fn what_was_put_in_is_there() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        let digest = Digest::of(b"text");
        assert_eq!(client.missing(&[digest, Digest::EMPTY]).await, [digest]);
        assert_eq!(client.get(&digest).await, Err(Code::NotFound));
        assert_eq!(client.put(b"text").await, digest);
        assert_eq!(client.missing(&[digest, Digest::of(b"other")]).await, [Digest::of(b"other")]);
        assert_eq!(client.get(&digest).await.unwrap(), b"text");
        assert_eq!(client.get(&Digest::EMPTY).await.unwrap(), b"");
        assert_eq!(client.put(b"").await, Digest::EMPTY);
        assert_eq!(client.put(b"text").await, digest);
        // Another size is another blob.
        let longer = Digest { size: 5, ..digest };
        assert_eq!(client.missing(&[longer]).await, [longer]);
        assert_eq!(client.get(&longer).await, Err(Code::NotFound));
    });
}

async fn update(client: &mut Client, requests: Vec<(Digest, Vec<u8>, i32)>) -> Vec<i32> {
    let requests = requests
        .into_iter()
        .map(|(digest, data, compressor)| batch_update_blobs_request::Request {
            digest: Some(digest.into()),
            data,
            compressor,
        })
        .collect();
    let request = reapi::BatchUpdateBlobsRequest { requests, ..Default::default() };
    let answer = client.cas.batch_update_blobs(request).await.unwrap().into_inner();
    answer.responses.into_iter().map(|one| one.status.unwrap().code).collect()
}

#[test]
fn a_batch_is_verified_blob_by_blob() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        let good = Digest::of(b"good");
        let packed = Digest::of(&[7; 5000]);
        let zstd = compressor::Value::Zstd as i32;
        let pack = |bytes: &[u8]| zstd::bulk::compress(bytes, 3).unwrap();
        let codes = update(
            &mut client,
            vec![
                (good, b"good".to_vec(), 0),
                (Digest::of(b"right"), b"wrong".to_vec(), 0),
                (Digest::of(b"right"), b"longer".to_vec(), 0),
                (packed, pack(&[7; 5000]), zstd),
                // It would be far larger than it says.
                (Digest::of(b"bomb"), pack(&vec![0; 50_000_000]), zstd),
                (Digest::of(b"packed"), b"packed".to_vec(), zstd),
                (Digest::of(b"brotli"), b"brotli".to_vec(), 3),
                (Digest::of(b"unknown"), b"unknown".to_vec(), 77),
                (Digest { size: 0, ..good }, Vec::new(), 0),
                // Known, but not what was sent.
                (good, b"evil".to_vec(), 0),
            ],
        )
        .await;
        assert_eq!(codes, [0, 3, 3, 0, 3, 3, 3, 3, 3, 3]);
        assert_eq!(client.get(&good).await.unwrap(), b"good");
        assert_eq!(client.get(&packed).await.unwrap(), [7; 5000]);
        assert_eq!(client.missing(&[Digest::of(b"right"), Digest::of(b"bomb")]).await.len(), 2);
    });
}

#[test]
fn batches_are_limited() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        // Exactly at the limit.
        let (one, two) = (noise(MIB - 10, 1), noise(10, 2));
        let (first, second) = (Digest::of(&one), Digest::of(&two));
        assert_eq!(update(&mut client, vec![(first, one.clone(), 0), (second, two, 0)]).await, [0, 0]);
        let read = |digests: Vec<Digest>| reapi::BatchReadBlobsRequest {
            digests: digests.into_iter().map(Into::into).collect(),
            ..Default::default()
        };
        let answer = client.cas.batch_read_blobs(read(vec![first, second])).await.unwrap().into_inner();
        assert_eq!(answer.responses.len(), 2);
        assert_eq!(answer.responses[0].data, one);
        // One byte over it, in both directions, whether the blobs are there or not.
        let third = client.put(b"x").await;
        for digests in [vec![first, second, third], vec![Digest { size: MIB as u64 + 1, ..third }]] {
            let refused = client.cas.batch_read_blobs(read(digests)).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
        }
        let refused = client.try_put(&noise(MIB + 1, 3)).await.unwrap_err();
        assert_eq!(refused, Code::InvalidArgument);
        // Sizes that add up to more than a number can hold.
        let huge = Digest { size: i64::MAX.cast_unsigned(), ..third };
        let refused = client.cas.batch_read_blobs(read(vec![huge; 5])).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        // Small ones whose answer would not fit into a message.
        let refused = client.cas.batch_read_blobs(read(vec![third; 50_000])).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        // A message that is too large.
        let message = reapi::FindMissingBlobsRequest { blob_digests: vec![third.into(); 70_000], ..Default::default() };
        let refused = client.cas.find_missing_blobs(message).await.unwrap_err();
        assert!(matches!(refused.code(), Code::OutOfRange | Code::ResourceExhausted), "{refused}");
    });
}

#[test]
fn answers_are_compressed_for_those_who_can_read_them() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        let (text, random) = (b"so much text ".repeat(500), noise(5000, 1));
        let digests = [client.put(&text).await, client.put(&random).await, client.put(b"short").await];
        let request = reapi::BatchReadBlobsRequest {
            digests: digests.iter().map(|digest| (*digest).into()).collect(),
            acceptable_compressors: vec![compressor::Value::Zstd as i32],
            ..Default::default()
        };
        let answer = client.cas.batch_read_blobs(request).await.unwrap().into_inner();
        let zstd = compressor::Value::Zstd as i32;
        assert_eq!(answer.responses.iter().map(|one| one.compressor).collect::<Vec<_>>(), [zstd, 0, 0]);
        assert!(answer.responses[0].data.len() < 500);
        assert_eq!(zstd::bulk::decompress(&answer.responses[0].data, 10_000).unwrap(), text);
        assert_eq!(answer.responses[1].data, random);
    });
}

#[test]
fn wrong_requests_are_refused_and_harm_nothing() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        let good = client.put(b"good").await;
        let hex = good.hex();
        let wrong = [
            reapi::Digest { hash: String::new(), size_bytes: 4 },
            reapi::Digest { hash: hex[1..].to_owned(), size_bytes: 4 },
            reapi::Digest { hash: format!("{hex}0"), size_bytes: 4 },
            reapi::Digest { hash: hex.to_uppercase(), size_bytes: 4 },
            reapi::Digest { hash: format!("..{}", &hex[2..]), size_bytes: 4 },
            reapi::Digest { hash: format!("é{}", &hex[2..]), size_bytes: 4 },
            reapi::Digest { hash: hex.clone(), size_bytes: -1 },
            reapi::Digest { hash: hex.clone(), size_bytes: i64::MIN },
        ];
        for digest in wrong.into_iter().map(Some).chain([None]) {
            let digests: Vec<reapi::Digest> = digest.iter().cloned().collect();
            let mut codes = Vec::new();
            if digest.is_some() {
                let request = reapi::FindMissingBlobsRequest { blob_digests: digests.clone(), ..Default::default() };
                codes.push(client.cas.find_missing_blobs(request).await.unwrap_err().code());
                let request = reapi::BatchReadBlobsRequest { digests, ..Default::default() };
                codes.push(client.cas.batch_read_blobs(request).await.unwrap_err().code());
            }
            let one =
                batch_update_blobs_request::Request { digest: digest.clone(), data: b"x".to_vec(), compressor: 0 };
            let request = reapi::BatchUpdateBlobsRequest { requests: vec![one], ..Default::default() };
            codes.push(client.cas.batch_update_blobs(request).await.unwrap_err().code());
            let request = reapi::GetTreeRequest { root_digest: digest.clone(), ..Default::default() };
            codes.push(client.cas.get_tree(request).await.unwrap_err().code());
            let request = reapi::GetActionResultRequest { action_digest: digest.clone(), ..Default::default() };
            codes.push(client.actions.get_action_result(request).await.unwrap_err().code());
            let request = reapi::UpdateActionResultRequest { action_digest: digest.clone(), ..Default::default() };
            codes.push(client.actions.update_action_result(request).await.unwrap_err().code());
            assert!(codes.iter().all(|code| *code == Code::InvalidArgument), "{digest:?}: {codes:?}");
        }
        for function in [2, 9, -5, 1000] {
            let request = reapi::FindMissingBlobsRequest { digest_function: function, ..Default::default() };
            assert_eq!(client.cas.find_missing_blobs(request).await.unwrap_err().code(), Code::InvalidArgument);
            let request = reapi::BatchReadBlobsRequest { digest_function: function, ..Default::default() };
            assert_eq!(client.cas.batch_read_blobs(request).await.unwrap_err().code(), Code::InvalidArgument);
        }
        let split = client.cas.split_blob(reapi::SplitBlobRequest::default()).await.unwrap_err();
        assert_eq!(split.code(), Code::Unimplemented);
        assert_eq!(client.get(&good).await.unwrap(), b"good");
    });
}

#[test]
fn the_server_says_what_it_keeps_to() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        let request = reapi::GetCapabilitiesRequest { instance_name: "any/instance".to_owned() };
        let said = client.capabilities.get_capabilities(request).await.unwrap().into_inner();
        let cache = said.cache_capabilities.unwrap();
        assert_eq!(cache.max_batch_total_size_bytes, MIB as i64);
        assert_eq!(cache.digest_functions, [reapi::digest_function::Value::Sha256 as i32]);
        assert!(cache.action_cache_update_capabilities.unwrap().update_enabled);
        assert_eq!(cache.supported_compressors, [compressor::Value::Zstd as i32]);
        assert_eq!(cache.supported_batch_update_compressors, [compressor::Value::Zstd as i32]);
        assert!(said.execution_capabilities.is_none());
        let (low, high) = (said.low_api_version.unwrap(), said.high_api_version.unwrap());
        assert_eq!((low.major, low.minor, high.major), (2, 0, 2));
        // It does not execute.
        let channel = tonic::transport::Endpoint::from_shared(scene.url().replace("grpc:", "http:")).unwrap();
        let mut execution = reapi::execution_client::ExecutionClient::new(channel.connect().await.unwrap());
        let refused = execution.execute(reapi::ExecuteRequest::default()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented);
    });
}

async fn tree(client: &mut Client, root: &Digest, size: i32, token: &str) -> Result<Vec<reapi::GetTreeResponse>, Code> {
    let request = reapi::GetTreeRequest {
        root_digest: Some((*root).into()),
        page_size: size,
        page_token: token.to_owned(),
        ..Default::default()
    };
    let mut stream = client.cas.get_tree(request).await.map_err(|error| error.code())?.into_inner();
    let mut pages = Vec::new();
    while let Some(page) = stream.message().await.map_err(|error| error.code())? {
        pages.push(page);
    }
    Ok(pages)
}

#[test]
fn trees_come_in_pages() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        let file = client.put(b"file").await;
        let leaf = directory(&[("f", file)], &[]);
        let leaf_digest = client.put_message(&leaf).await;
        let middle = directory(&[], &[("leaf", leaf_digest), ("same", leaf_digest)]);
        let middle_digest = client.put_message(&middle).await;
        let absent = Digest::of(b"absent");
        let root = directory(&[("f", file)], &[("a", middle_digest), ("b", absent), ("c", leaf_digest)]);
        let root_digest = client.put_message(&root).await;

        let all = tree(&mut client, &root_digest, 0, "").await.unwrap();
        assert_eq!(all.len(), 1);
        // Breadth first, each once, and what is missing is left out.
        assert_eq!(all[0].directories, [root.clone(), middle.clone(), leaf.clone()]);
        assert_eq!(all[0].next_page_token, "");

        let pages = tree(&mut client, &root_digest, 1, "").await.unwrap();
        let got: Vec<_> = pages.iter().flat_map(|page| page.directories.clone()).collect();
        assert_eq!(got, [root, middle, leaf.clone()]);
        assert_eq!(pages.len(), 3);
        let rest = tree(&mut client, &root_digest, 1, &pages[1].next_page_token).await.unwrap();
        assert_eq!(rest.into_iter().flat_map(|page| page.directories).collect::<Vec<_>>(), [leaf]);

        assert_eq!(tree(&mut client, &absent, 0, "").await, Err(Code::NotFound));
        assert_eq!(tree(&mut client, &file, 0, "").await, Err(Code::InvalidArgument));
        assert_eq!(tree(&mut client, &root_digest, -1, "").await, Err(Code::InvalidArgument));
        assert_eq!(tree(&mut client, &root_digest, 0, "x").await, Err(Code::InvalidArgument));
        assert_eq!(tree(&mut client, &root_digest, 0, "99").await.unwrap(), []);
    });
}

#[test]
fn deep_and_wide_trees_are_no_trouble() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        let mut below = client.put(b"bottom").await;
        let mut at = directory(&[("f", below)], &[]);
        for _ in 0..300 {
            below = client.put_message(&at).await;
            at = directory(&[], &[("d", below)]);
        }
        let deep: usize =
            tree(&mut client, &below, 0, "").await.unwrap().iter().map(|page| page.directories.len()).sum();
        assert_eq!(deep, 300);
        // One directory with more than fits into a page.
        let names: Vec<String> = (0..8000).map(|number| format!("{number:0>40}")).collect();
        let files: Vec<(&str, Digest)> = names.iter().map(|name| (name.as_str(), below)).collect();
        let wide = directory(&files, &[]);
        let digest = client.put_message(&wide).await;
        let pages = tree(&mut client, &digest, 0, "").await.unwrap();
        assert_eq!(pages[0].directories, [wide]);
    });
}

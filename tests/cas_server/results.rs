//! Results of actions: only with everything that they need.

use dscript::cas::Digest;
use dscript::cas::api::reapi::{self, ActionResult, OutputDirectory, OutputFile};
use prost::Message as _;
use tonic::Code;

use super::scene::{MIB, Scene, block, directory, noise};

fn file(path: &str, digest: Digest) -> OutputFile {
    OutputFile { path: path.to_owned(), digest: Some(digest.into()), ..Default::default() }
}

#[test]
fn a_result_is_known_once_its_blobs_are_there() {
    let mut scene = Scene::new();
    let action = Digest::of(b"action");
    let output = Digest::of(b"output");
    let result = ActionResult { output_files: vec![file("out/a", output)], exit_code: 0, ..Default::default() };
    block(async {
        let mut client = scene.client().await;
        assert_eq!(client.result(&action).await, Err(Code::NotFound));
        let refused = client.put_result(&action, result.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().contains(&output.to_string()), "{refused}");
        client.put(b"output").await;
        client.put_result(&action, result.clone()).await.unwrap();
        assert_eq!(client.result(&action).await.unwrap(), result);
        // Each instance has its own.
        let elsewhere = reapi::GetActionResultRequest {
            instance_name: "other".to_owned(),
            action_digest: Some(action.into()),
            ..Default::default()
        };
        assert_eq!(client.actions.get_action_result(elsewhere).await.unwrap_err().code(), Code::NotFound);
        let longer = Digest { size: 7, ..action };
        assert_eq!(client.result(&longer).await, Err(Code::NotFound));
        // A later one takes its place.
        let later = ActionResult { exit_code: 3, ..result.clone() };
        client.put_result(&action, later.clone()).await.unwrap();
        assert_eq!(client.result(&action).await.unwrap(), later);
    });
    scene.restart(|_| {});
    block(async {
        assert_eq!(scene.client().await.result(&action).await.unwrap().exit_code, 3);
    });
    // Somebody takes the blob away.
    scene.restart(|scene| std::fs::remove_file(scene.file(&output)).unwrap());
    block(async {
        let mut client = scene.client().await;
        assert_eq!(client.result(&action).await, Err(Code::NotFound));
        client.put(b"output").await;
        assert_eq!(client.result(&action).await, Err(Code::NotFound));
    });
}

#[test]
fn results_that_make_no_sense_are_refused() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        let action = Digest::of(b"action");
        let text = client.put(b"text").await;
        let no_digest = OutputFile { path: "a".to_owned(), ..Default::default() };
        let bad_digest =
            OutputFile { digest: Some(reapi::Digest { hash: "x".to_owned(), size_bytes: 1 }), ..no_digest.clone() };
        let folder = |tree: Option<Digest>, root: Option<Digest>| OutputDirectory {
            path: "d".to_owned(),
            tree_digest: tree.map(Into::into),
            root_directory_digest: root.map(Into::into),
            ..Default::default()
        };
        let link = reapi::OutputSymlink { path: "/a".to_owned(), target: "b".to_owned(), ..Default::default() };
        let wrong = [
            ActionResult { output_files: vec![no_digest], ..Default::default() },
            ActionResult { output_files: vec![bad_digest.clone()], ..Default::default() },
            ActionResult { output_files: vec![file("/absolute", text)], ..Default::default() },
            ActionResult { output_directories: vec![folder(None, None)], ..Default::default() },
            ActionResult { output_directories: vec![folder(Some(text), None)], ..Default::default() },
            ActionResult { output_symlinks: vec![link], ..Default::default() },
            ActionResult { stdout_digest: bad_digest.digest, ..Default::default() },
            ActionResult {
                output_files: vec![OutputFile { contents: b"other".to_vec(), ..file("a", text) }],
                ..Default::default()
            },
        ];
        for result in wrong {
            let refused = client.put_result(&action, result).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        }
        assert_eq!(client.result(&action).await, Err(Code::NotFound));
    });
}

#[test]
fn output_directories_count_with_all_that_is_in_them() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        let action = Digest::of(b"action");
        let inner = directory(&[("f", Digest::of(b"deep"))], &[]);
        let inner_digest = Digest::of(&inner.encode_to_vec());
        let root = directory(&[("g", Digest::of(b"top"))], &[("inner", inner_digest)]);
        let root_digest = Digest::of(&root.encode_to_vec());
        let tree = reapi::Tree { root: Some(root.clone()), children: vec![inner.clone()] };
        let tree_digest = client.put_message(&tree).await;
        let by_tree =
            OutputDirectory { path: "d".to_owned(), tree_digest: Some(tree_digest.into()), ..Default::default() };
        let by_root = OutputDirectory {
            path: "d".to_owned(),
            root_directory_digest: Some(root_digest.into()),
            ..Default::default()
        };
        let result = |directory: &OutputDirectory| ActionResult {
            output_directories: vec![directory.clone()],
            ..Default::default()
        };
        let refused = client.put_result(&action, result(&by_tree)).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        client.put(b"deep").await;
        client.put(b"top").await;
        client.put_result(&action, result(&by_tree)).await.unwrap();
        assert_eq!(client.result(&action).await.unwrap(), result(&by_tree));

        client.put_message(&root).await;
        let refused = client.put_result(&action, result(&by_root)).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().contains(&inner_digest.to_string()));
        client.put_message(&inner).await;
        client.put_result(&action, result(&by_root)).await.unwrap();
        assert_eq!(client.result(&action).await.unwrap(), result(&by_root));

        // What is deep below is damaged while the server runs.
        let deep = scene.file(&Digest::of(b"deep"));
        std::fs::remove_file(deep).unwrap();
        assert_eq!(client.get(&Digest::of(b"deep")).await, Err(Code::NotFound));
        assert_eq!(client.result(&action).await, Err(Code::NotFound));
    });
}

#[test]
fn contents_come_with_a_result_where_they_are_asked_for() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        let action = Digest::of(b"action");
        let small = client.put(b"small").await;
        let mut files = vec![file("small", small), file("unasked", small)];
        let mut wanted = vec!["small".to_owned(), "absent".to_owned()];
        // More than fits into one answer.
        for number in 0..6 {
            let digest = client.put(&noise(MIB - 100, 20 + number)).await;
            files.push(file(&number.to_string(), digest));
            wanted.push(number.to_string());
        }
        let result = ActionResult {
            output_files: files,
            stdout_raw: b"printed".to_vec(),
            stderr_digest: Some(client.put(b"warned").await.into()),
            ..Default::default()
        };
        client.put_result(&action, result).await.unwrap();
        assert!(client.has(&Digest::of(b"printed")).await);

        let plain = client.result(&action).await.unwrap();
        assert!(plain.stdout_raw.is_empty() && plain.stderr_raw.is_empty());
        assert_eq!(plain.stdout_digest, Some(Digest::of(b"printed").into()));
        assert!(plain.output_files.iter().all(|file| file.contents.is_empty()));

        let request = reapi::GetActionResultRequest {
            action_digest: Some(action.into()),
            inline_stdout: true,
            inline_stderr: true,
            inline_output_files: wanted,
            ..Default::default()
        };
        let full = client.actions.get_action_result(request).await.unwrap().into_inner();
        assert_eq!((&full.stdout_raw[..], &full.stderr_raw[..]), (&b"printed"[..], &b"warned"[..]));
        assert_eq!((&full.output_files[0].contents[..], full.output_files[1].contents.len()), (&b"small"[..], 0));
        let whole = full.output_files[2..].iter().filter(|file| !file.contents.is_empty()).count();
        assert_eq!(whole, 3);
    });
}

#[test]
fn damaged_files_of_results_are_found() {
    let mut scene = Scene::new();
    let action = Digest::of(b"action");
    for (at, cut) in [0, 10, 33, usize::MAX].into_iter().enumerate() {
        block(async {
            let result = ActionResult { exit_code: 1, stdout_raw: vec![b'x'; at + 1], ..Default::default() };
            scene.client().await.put_result(&action, result).await.unwrap();
        });
        scene.restart(|scene| {
            for folder in std::fs::read_dir(scene.store().join("actions")).unwrap() {
                for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
                    let path = file.unwrap().path();
                    let mut bytes = std::fs::read(&path).unwrap();
                    let last = bytes.len() - 1;
                    if cut == usize::MAX {
                        bytes[last] ^= 1
                    } else {
                        bytes.truncate(cut)
                    }
                    std::fs::write(&path, bytes).unwrap();
                }
            }
        });
        block(async { assert_eq!(scene.client().await.result(&action).await, Err(Code::NotFound), "{cut}") });
    }
}

//! Rules checked when a pip is added: each with a refused case and an allowed near miss.

use super::case::{run, run_with};
use crate::graph::{CredentialScan, Pip};

// ---- A1: input files ----

#[test]
fn inputs_must_be_readable() {
    run("a: copy <hidden/x >out/a ! DX2001 mount");
    run("a: sourceAll src
         b: full hidden <hidden/x ! DX2001 mount");
    run("a: copy </outside/x >out/a");
}

#[test]
fn a_written_file_is_no_source() {
    run("a: write >out/x
         b: copy <out/x >out/y ! DX0213 a");
    run("a: write >out/x
         b: copy <out/x@1 >out/y");
}

#[test]
fn temporary_outputs_cannot_be_read() {
    run("a: process >out/x~ >out/y
         b: copy <out/x@1 >out/z ! DX0310 a");
    run("a: process >out/x? >out/y
         b: copy <out/x@1 >out/z");
}

#[test]
fn only_the_newest_version_can_be_read() {
    run("a: write >out/x
         b: process <out/x@1 >out/x@2
         c: copy <out/x@1 >out/y ! DX0215 b");
    run("a: write >out/x
         b: process <out/x@1 >out/x@2
         c: copy <out/x@2 >out/y");
}

#[test]
fn an_output_needs_a_producer() {
    run("a: copy <out/x@1 >out/y ! DX0217");
    run("a: copy <out/x >out/y");
}

// ---- A2: input directories ----

#[test]
fn input_directories_must_be_sealed() {
    run("a: process <[?] >out/x ! DX13102");
    run("a: ipc <[?] >out/x ! DX13102");
    run("a: sourceAll src
         b: process <[a] >out/x
         c: ipc <[a] >out/y");
}

// ---- A3: output files ----

#[test]
fn a_source_cannot_be_written() {
    run("a: write >out/x@0 ! DX0206");
    run("a: copy <src/x >out/a
         b: process >out/x
         c: process <out/y >out/z
         d: write >out/y ! DX0206 c");
    run("a: process <out/x >out/x ! DX0206");
    run("a: process >out/x
         b: process <out/x@1 >out/x@2");
}

#[test]
fn outputs_must_lie_in_a_mount() {
    run("a: write >/outside/x ! DX14415");
    run("a: process shared=/outside/x ! DX14415");
    run("a: process >out/x temp=/outside/x ! DX14415");
    run_with("a: write >/outside/x", |options| options.unsafe_allow_out_of_mount_writes = true);
}

#[test]
fn outputs_must_lie_in_a_writable_mount() {
    run("a: write >src/x ! DX2000");
    run("a: write >hidden/x ! DX2000 mount");
    run("a: process exclusive=src/x ! DX2000");
    run("a: write >out/x");
}

#[test]
fn nothing_is_written_into_a_closed_directory() {
    run("a: full out/d
         b: write >out/d/e/x ! DX0246 a");
    run("a: sourceTop out/d
         b: write >out/d/e/x ! DX0246 a");
    run("a: sourceAll out/d
         b: process shared=out/d/e ! DX0246 a");
    run("a: process exclusive=out/d
         b: write >out/d/x ! DX0246 a");
    run("a: process exclusive=out/d
         b: process shared=out/d ! DX0246 a");
    run("a: process exclusive=out/d
         b: process exclusive=out/d/e ! DX0246 a");
    run("a: process exclusive=out/d exclusive=out/d/e ! DX0246");
    run("a: process exclusive=out/d/e shared=out/d/e/f ! DX0246");
    run("a: process shared=out/d
         b: write >out/d/x
         c: partial out/p <src/x ! DX0247
         d: partial out/p
         e: write >out/p/x
         f: process exclusive=out/f >out/f/x");
}

#[test]
fn an_asserted_file_may_lie_in_the_opaque_of_its_own_process() {
    run("a: process exclusive=out/d
         b: assert <[a] out/d/x
         c: copy <out/d/x@1 >out/y
         d: assert <[a] out/d/x");
}

#[test]
fn a_file_is_written_once() {
    run("a: write >out/x
         b: write >out/x ! DX0211 a");
    run("a: write >out/x
         b: write >out/y");
}

#[test]
fn rewriting_reads_the_version_just_before() {
    run("a: write >out/x
         b: process >out/x@2
         c: process <out/x@2 >out/x@4 ! DX0210 b");
    run("a: write >out/x
         b: process <out/x@1 >out/x@2
         c: process <out/x@2 >out/x@3");
}

#[test]
fn rewriting_starts_from_the_newest_version() {
    run("a: write >out/x
         b: process >out/x@2
         c: process >out/x@2 ! DX0209 b");
    run("a: write >out/x
         b: process >out/x@2
         c: process >out/x@3");
}

#[test]
fn versions_do_not_jump() {
    run("a: process >out/x@2 ! DX0208");
    run("a: write >out/x
         b: process >out/x@3 ! DX0208 a");
    run("a: write >out/x
         b: process >out/x@2");
}

#[test]
fn a_used_version_is_not_rewritten() {
    run("a: write >out/x
         b: copy <out/x@1 >out/y
         c: process >out/x@2 ! DX0207 b");
    run("a: write >out/d/x
         b: partial out/d <out/d/x@1
         c: process >out/d/x@2 ! DX0248 b");
    run("a: write >out/x
         b: process <out/x@1 >out/x@2
         c: copy <out/x@2 >out/y");
}

// ---- A4: processes ----

#[test]
fn a_process_reads_one_version_of_a_file() {
    run("a: write >out/x
         b: process <out/x@1 <out/x >out/y ! DX0216 a");
    run("a: write >out/x
         b: process <out/x@1 <out/x@1 >out/y");
}

#[test]
fn a_process_leaves_something_behind() {
    run("a: process <src/x ! DX0218");
    run("a: process >out/x~ ! DX0218");
    run("a: process >out/x~ shared=out/d");
    run("a: process stdout=out/x stdin=src/y");
}

#[test]
fn a_process_writes_one_version_of_a_file() {
    run("a: process >out/x >out/x@2 ! DX0212");
    run("a: process >out/x >out/x");
}

#[test]
fn an_output_is_a_file_or_a_directory() {
    run("a: process >out/x shared=out/x ! DX13101");
    run("a: process >out/x/y shared=out/x");
}

#[test]
fn an_exclusive_directory_has_one_producer() {
    run("a: process exclusive=out/d
         b: process exclusive=out/d ! DX13100 a");
    run("a: process shared=out/d
         b: process shared=out/d");
}

#[test]
fn temp_variables_hold_absolute_writable_paths() {
    run("a: process >out/x env=TEMP=somewhere ! DX2004");
    run("a: process >out/x tempEnv=src/t ! DX2003");
    run("a: process >out/x temp=src/t ! DX2003");
    run("a: process >out/x tempEnv=/outside/t ! DX14415");
    run("a: process >out/x tempEnv=tmp/t temp=tmp/u env=TEMPERATURE=warm");
}

#[test]
fn service_dependencies_are_services() {
    run("a: process >out/x
         b: process >out/y needs=a ! DX0296 a");
    run("a: ipc >out/x needs=nobody ! DX0296");
    run("a: process >out/x service
         b: process >out/y needs=a
         c: ipc >out/z needs=a");
}

#[test]
fn preserved_outputs_are_listed_only_where_preserving_is_on() {
    run("a: process >out/x list=out/x ! DX0303");
    run("a: process >out/x preserve list=out/y ! DX0302");
    run("a: process >out/x exclusive=out/d preserve list=out/d
         b: process >out/y preserve list=out/y");
}

#[test]
fn preserving_leaves_shared_opaques_out() {
    run("a: process shared=out/d preserve
         finish ! DX14112 a");
    run("a: process exclusive=out/d preserve");
}

#[test]
fn rewriting_a_preserved_file_is_remarked_on() {
    run("a: process >out/x preserve
         b: process <out/x@1 >out/x@2
         finish ! DX2005 b a");
    run("a: process >out/x
         b: process <out/x@1 >out/x@2");
}

#[test]
fn believed_accesses_must_be_single_files() {
    run("a: process >out/x exclusive=out/d trust ! DX0304");
    run("a: sourceAll src
         b: process >out/x <[a] trust ! DX0304 a");
    run("a: partial src <src/x
         b: process >out/x <[a] trust");
}

#[test]
fn temp_directories_may_be_wanted_for_one_pip_each() {
    let each_its_own = |options: &mut crate::graph::GraphOptions| options.allow_duplicate_temporary_directory = false;
    run_with(
        "a: process >out/x temp=tmp/t
         b: process >out/y moreTemp=tmp/t ! DX14411 a",
        each_its_own,
    );
    run_with(
        "a: process >out/x temp=tmp/t
         b: process >out/y temp=tmp/u",
        each_its_own,
    );
    run("a: process >out/x temp=tmp/t
         b: process >out/y temp=tmp/t");
}

#[test]
fn secrets_in_the_environment_are_found_where_asked_for() {
    let case = "a: process >out/x env=KEY=AKIAABCDEFGHIJKLMNOP";
    run_with(&format!("{case} ! DX14420"), |options| options.credential_scan = CredentialScan::Refuse);
    run_with(&format!("{case}\nfinish ! DX14421 a"), |options| options.credential_scan = CredentialScan::Warn);
    run(case);
    run_with("a: process >out/x env=KEY=value", |options| options.credential_scan = CredentialScan::Refuse);
}

#[test]
fn the_program_and_the_console_count_as_inputs_and_outputs() {
    let outcome = run("a: process <src/x stdin=src/in stdout=out/log
                       b: copy <out/log@1 >out/copy");
    let Pip::Process(process) = outcome.graph.pip(outcome.pips["a"]) else { panic!("a process") };
    let read: Vec<String> = process.inputs.iter().map(|input| outcome.graph.display(input.path)).collect();
    assert_eq!(read, ["src/x", "tool", "src/in"]);
    assert_eq!(outcome.graph.dependencies(outcome.pips["b"]), [outcome.pips["a"]]);
}

// ---- the owner's rule: shared and exclusive opaques do not overlap ----

#[test]
fn shared_and_exclusive_opaques_do_not_overlap() {
    run("a: process shared=out/d
         b: process exclusive=out/d/e/f ! DS0501 a");
    run("a: process exclusive=out/d/e/f
         b: process shared=out/d ! DS0501 a");
    run("a: process shared=out/d exclusive=out/d/e ! DS0501");
    run("a: process shared=out/d shared=out/d/e
         b: process exclusive=out/e
         c: process shared=out/dd
         d: process shared=out/d/e/f");
}

// ---- A5: copies, writes, messages ----

#[test]
fn a_file_is_not_copied_onto_itself() {
    run("a: copy <out/x >out/x ! DX0220");
    run("a: copy <out/x >out/y");
}

#[test]
fn a_write_never_rewrites() {
    run("a: write >out/x
         b: write >out/x@2 ! DX0221 a");
    run("a: write >out/x
         b: process >out/x@2");
}

// ---- A6: seals ----

#[test]
fn source_seals_lie_in_a_readable_mount() {
    run("a: sourceAll /outside/d ! DX0284");
    run("a: sourceTop hidden/d ! DX0285 mount");
    run("a: sourceAll src
         b: partial /outside/d");
}

#[test]
fn contents_lie_below_the_root() {
    run("a: full src <other/x ! DX0247");
    run("a: full src <src/d/x");
}

#[test]
fn content_directories_lie_below_the_root_and_are_outputs() {
    run("a: process exclusive=out/d
         b: full out/e <[a] ! DX14412 a");
    run("a: sourceAll src
         b: partial src <[a] ! DX14413 a");
    run("a: process shared=out/d/e
         b: full out/d <[a]");
}

#[test]
fn members_are_shared_opaques() {
    run("a: process exclusive=out/d
         b: composite out <[a] ! DX14403 a");
    run("a: partial out/d
         b: part out/d/e <[a] ! DX14403 a");
    run("a: process shared=out/d
         b: process shared=out/e
         c: composite out <[a] <[b] filter=Exclude:log$
         d: composite out <[c] <[a]
         e: part out/d/x <[a] filter=Include:txt$
         f: composite out/d <[e]
         g: process <[d] <[f] <[e] >out/done");
}

#[test]
fn members_lie_below_the_root_of_a_composite() {
    run("a: process shared=out/d
         b: composite out/e <[a] ! DX14402 a");
    run("a: process shared=out/d
         b: composite out/d <[a]");
}

#[test]
fn a_part_lies_below_its_whole() {
    run("a: process shared=out/d
         b: part out/e <[a] ! DX14416 a");
    run("a: process shared=out/d
         b: part out/d/e <[a]");
}

// ---- A7: assertions ----

#[test]
fn assertions_are_about_directories_that_a_process_fills() {
    run("a: partial out/d
         b: assert <[a] out/d/x ! DX14417 a");
    run("a: process shared=out/d
         b: composite out <[a]
         c: assert <[b] out/d/x ! DX14414 b");
    run("a: process shared=out/d
         b: assert <[a] out/e/x ! DX9377 a");
    run("a: process shared=out/d
         b: assert <[a] out/d/x
         c: copy <out/d/x@1 >out/y");
}

#[test]
fn an_asserted_file_is_checked_as_an_output() {
    run("a: process shared=out/d
         b: write >out/d/x
         c: assert <[a] out/d/x ! DX0211 b");
    run("a: process shared=out/d
         b: copy <out/d/x >out/y
         c: assert <[a] out/d/x ! DX0206 b");
    run("a: process shared=out/d
         b: full out/d/e
         c: assert <[a] out/d/e/x ! DX0246 b
         finish ! DX14102 b a");
}

// ---- several at once ----

#[test]
fn a_refused_pip_leaves_no_trace() {
    let outcome = run("a: process <out/x@1 >out/y ! DX0217
                       b: write >out/y
                       c: write >out/x");
    assert_eq!(outcome.graph.len(), 2);
}

#[test]
fn one_call_that_makes_both_is_told_apart_in_a_note() {
    let outcome = run("a: write >out/x
                       a: write >out/x ! DX0211");
    let [only] = outcome.diagnostics.as_slice() else { panic!("one refusal") };
    assert_eq!(only.notes, ["one call made both, while value `a` was evaluated"]);
    let [label] = only.labels.as_slice() else { panic!("one place") };
    assert_eq!(label.message, "`out/x` is written here");
}

#[test]
fn a_refusal_is_not_repeated_for_all_that_need_its_outputs() {
    let outcome = run("a: process <src/x >out/x >src/y ! DX2000
                       b: copy <out/x@1 >out/z ! silently
                       c: process <out/z@1 >out/z@2 ! silently
                       d: partial out <out/z@2 ! silently
                       e: process >out/x@2 ! silently
                       f: copy <out/nothing@1 >out/f ! DX0217
                       g: write >out/x
                       h: copy <out/x@1 >out/h");
    assert_eq!(outcome.graph.len(), 2);
}

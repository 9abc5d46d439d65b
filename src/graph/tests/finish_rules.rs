//! Rules checked when the graph is frozen: each with a refused case and an allowed near miss.

use super::case::{run, run_with};

#[test]
fn an_exclusive_opaque_is_no_file() {
    run("a: copy <out/d >out/x
         b: process exclusive=out/d
         finish ! DX14107 a b");
    run("a: write >out/d
         b: process exclusive=out/d
         finish ! DX14108 a b");
    run("a: write >out/d
         b: process exclusive=out/dd");
}

#[test]
fn an_exclusive_opaque_holds_no_sources() {
    run("a: copy <out/d/e/x >out/x
         b: process exclusive=out/d
         finish ! DX14100 a b");
    run("a: copy <out/d/e/x >out/x
         b: process shared=out/d");
}

#[test]
fn an_exclusive_opaque_holds_outputs_of_its_own_process_only() {
    run("a: write >out/d/x
         b: process exclusive=out/d
         finish ! DX14101 a b");
    run("a: process exclusive=out/d >out/d/x");
}

#[test]
fn an_exclusive_opaque_holds_no_other_sealed_directory() {
    run("a: partial out/d/e
         b: process exclusive=out/d
         finish ! DX14102 a b");
    run("a: process shared=out/d/e
         b: process exclusive=out/d
         finish ! DX14102 a b");
    run("a: process exclusive=out/d
         b: partial out/d
         finish ! DX14109 b a");
    run("a: process shared=out/d
         b: process exclusive=out/d
         finish ! DX14109 a b");
    run("a: partial out/e
         b: process exclusive=out/d");
}

#[test]
fn a_shared_opaque_holds_no_full_seal() {
    run("a: process shared=out/d
         b: full out/d/e
         finish ! DX14102 b a");
    run("a: process shared=out/d
         b: full out/d <[a]
         finish ! DX14109 b a");
    run("a: process shared=out/d
         b: partial out/d/e
         c: write >out/d/x
         d: process shared=out/d/e
         e: copy <out/d/source >out/copy
         f: composite out <[a]
         g: full out/f <out/f/x");
}

#[test]
fn a_sealed_source_directory_is_no_file() {
    run("a: copy <src/d >out/x
         b: sourceAll src/d
         finish ! DX14110 a b");
    run("a: write >out/d
         b: sourceTop out/d
         finish ! DX14111 a b");
    run("a: copy <src/d/x >out/x
         b: sourceAll src/d");
}

#[test]
fn a_sealed_source_directory_holds_no_outputs() {
    run("a: write >out/d/x
         b: sourceTop out/d
         finish ! DX14104 a b");
    run("a: process shared=out/d/e
         b: sourceAll out/d
         finish ! DX14105 a b");
    run("a: process shared=out/d
         b: sourceAll out/d
         finish ! DX14109 a b");
    run("a: process shared=out/d
         b: sourceAll out/e
         c: partial out/e
         d: write >out/x");
}

#[test]
fn a_full_seal_lists_every_output_below_it() {
    run("a: write >out/d/x
         b: write >out/d/y
         c: full out/d <out/d/x@1
         finish ! DX14103 b c");
    run("a: write >out/d/x
         b: full out/d <out/d/x@1 <out/d/source
         c: copy <out/d/unlisted >out/y");
    // Two views of one folder: each must be whole.
    run("a: write >out/d/x
         b: full out/d <out/d/x@1
         c: full out/d
         finish ! DX14103 a c");
    // The newest version counts.
    run("a: write >out/d/x
         b: process >out/d/x@2
         c: full out/d <out/d/x@2");
}

#[test]
fn a_full_seal_lists_every_output_directory_below_it() {
    run("a: process shared=out/d/e
         b: full out/d
         finish ! DX14114 a b");
    run("a: process shared=out/d/e
         b: full out/d <[a]");
    run("a: process exclusive=out/d/e
         b: partial out/d");
}

#[test]
fn nothing_lasts_in_a_temporary_directory() {
    run("a: process >out/x temp=tmp/t
         b: write >tmp/t/x
         finish ! DX14113 b a");
    run("a: process >out/x moreTemp=tmp/t
         b: copy <tmp/t/x >out/y
         finish ! DX14113 b a");
    run("a: process >out/x temp=tmp/t
         b: process shared=tmp/t
         finish ! DX14113 b a");
    run("a: process >out/x >tmp/t/x~ temp=tmp/t
         b: write >tmp/x");
}

#[test]
fn the_rules_of_the_whole_graph_can_be_skipped() {
    run_with(
        "a: write >out/d/x
         b: full out/d",
        |options| options.unsafe_disable_graph_post_validation = true,
    );
}

#[test]
fn each_source_file_is_reported_for_its_first_user_only() {
    run("a: copy <out/d/x >out/a
         b: copy <out/d/x >out/b
         c: process exclusive=out/d
         finish ! DX14100 a c");
}

#[test]
fn several_folders_above_are_all_asked() {
    run("a: write >out/d/e/x
         b: full out/d
         c: sourceAll out/d/e
         finish ! DX14104 a c
         finish ! DX14103 a b");
}

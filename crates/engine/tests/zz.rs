#![allow(missing_docs, clippy::unwrap_used)]
mod common;
use common::*;
use std::time::Instant;
#[test]
fn compile_bomb(){
  let w=World::new();
  for (locals, loops) in [(1000,100),(4000,256),(8000,1000)] {
    let mut b=String::new();
    for i in 0..loops { b+="loop "; if i%1==0 { b+="local.get 0 i64.eqz br_if 0 "; } }
    for i in 0..locals { b+=&format!("local.get {i} i64.const 1 i64.add local.set {i} "); }
    for _ in 0..loops { b+="local.get 0 i64.eqz br_if 0 end "; }
    let wat=format!("(module (import \"env\" \"memory\" (memory 1 1)) (func (local {}) {b}) (func (export \"deploy\")) (func (export \"call\")))", "i64 ".repeat(locals));
    let t=Instant::now(); let r=w.check(&wat); eprintln!("{locals} {loops}: {:?} {:?}", t.elapsed(), r.err().map(|e|e.to_string()));
  }
}
#[test]
fn straight(){
  let w=World::new();
  for n in [5_000, 20_000, 40_000] {
    let mut b=String::new();
    for i in 0..n { b+=&format!("local.get 0 i64.const {i} i64.mul local.set 0 "); }
    let wat=format!("(module (import \"env\" \"memory\" (memory 1 1)) (func (export \"x\") (param i64) (result i64) {b} local.get 0) (func (export \"deploy\")) (func (export \"call\")))");
    let t=Instant::now(); let r=w.check(&wat); eprintln!("straight {n}: {:?} {:?}", t.elapsed(), r.err().map(|e|e.to_string()));
  }
  for n in [100, 400, 1000] {
    let mut b=String::new();
    for _ in 0..n { b+="block "; }
    let per = 200_000/n/2;
    for d in 0..n { b+="local.get 0 br_table "; for k in 0..per { b+=&format!("{} ", (k*7)%(n-d)); } b+="0 end "; }
    let wat=format!("(module (import \"env\" \"memory\" (memory 1 1)) (func (param i32) {b}) (func (export \"deploy\")) (func (export \"call\")))");
    let t=Instant::now(); let r=w.check(&wat); eprintln!("brtable {n}: {:?} {:?}", t.elapsed(), r.err().map(|e|e.to_string()));
  }
}

#![allow(missing_docs, unused)]
use super::Digest; use std::path::{Path,PathBuf};
#[derive(Debug, thiserror::Error)] pub enum StoreError { #[error("x")] Missing{digest:Digest}, #[error("x")] Corrupt{digest:Digest} }
pub enum Keep { Link, Copy } pub struct Materialize { pub executable: bool, pub writable: bool }
pub struct Store; impl Store { pub fn open(_:&Path)->Result<Self,StoreError>{todo!()} pub fn verifying(self,_:bool)->Self{self} pub fn contains(&self,_:&Digest)->bool{todo!()} pub fn read(&self,_:&Digest)->Result<Vec<u8>,StoreError>{todo!()} pub fn add_bytes(&self,_:&[u8])->Result<Digest,StoreError>{todo!()} pub fn add_file(&self,_:&Path,_:Keep)->Result<Digest,StoreError>{todo!()} pub fn add_file_as(&self,_:&Path,_:Digest,_:Keep)->Result<(),StoreError>{todo!()} pub fn materialize(&self,_:&Digest,_:&Path,_:Materialize)->Result<(),StoreError>{todo!()} }

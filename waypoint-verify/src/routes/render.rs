//! An analysis for people: as a tree, and for Graphviz.

mod dot;
mod tree;

pub use dot::dot;
pub use tree::{changes, tree};

//! One proxy instance: candidates, payments, bounds.

mod attempts;
mod bounds;
mod candidates;
mod counts;
mod mirrors;
mod never_excluded;
mod payments;
mod refinements;
mod suspects;
mod times;

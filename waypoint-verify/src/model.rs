//! The vocabulary that every other module speaks; plain values, no behaviour that needs I/O or a clock.
//!
//! A request is walked in this order: record -> segment -> stream -> message -> link -> evidence -> verdict -> report.
//! Each module imports only those before it, and this one.

mod conn;
mod head;
mod older;
mod owner;
mod verdict;
mod watch;

pub use conn::{ConnKey, MessageKey, Side};
pub use head::{FieldSpans, Head, HeadBuilder, HeadParts, HeadTooLarge, Span, USUAL_FIELDS, Version};
pub use older::{OlderConnections, OlderGroup};
pub use owner::{ContainerRef, Owner, PodRef, Process};
pub use verdict::{Bypass, Bypasses, Class, Reason, Verdict};
pub use watch::{
    Appends, CompiledPolicy, ExemptFrom, Exemption, ForwardedFor, GatewayRef, Guards, HeaderGuard, Listener,
    NamespacedName, ProxyKind, ProxySpec, Touch, WatchList, as_text, revision_of,
};

/// Nanoseconds of `CLOCK_BOOTTIME` on the node that observed something. Never compared across nodes.
pub type BootNs = u64;

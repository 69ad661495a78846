//! The smallest change that closes a path.

use super::explore::Demand;
use super::path::Hop;
use crate::model::Bypass;

/// Of pods and of the Service that policies call the target itself: they are not to be removed, pods need an address.
const POLICY: &str = "a NetworkPolicy on the target's pods that lets in only who comes last on the demanded path";

/// What to change, and where.
pub fn of(demand: &Demand, kind: Bypass, hops: &[Hop]) -> String {
    if kind == Bypass::UpstreamBypass {
        return "let only the waypoint reach this Gateway (an address that nothing announces, no NodePort), or put the target behind the waypoint's own Service".into();
    }
    let rule = hops.iter().position(|hop| hop.object.contains("Route ") || hop.object.starts_with("Ingress "));
    if let Some(at) = rule {
        let field = hops[at].field.as_deref().unwrap_or("its rule");
        let to = hops.get(at + 1).map_or("the backend", |hop| hop.object.as_str());
        return format!(
            "in {} let {field} lead to the waypoint's Service instead of {to}, or remove it",
            hops[at].object
        );
    }
    let is_target = |hop: &&Hop| demand.targets.iter().any(|target| hop.object == format!("Service {target}"));
    match hops.iter().find(|hop| hop.object.starts_with("Service ")).filter(|hop| !is_target(hop)) {
        Some(service) => format!("remove {}, or let it select other pods", service.object),
        None => POLICY.into(),
    }
}

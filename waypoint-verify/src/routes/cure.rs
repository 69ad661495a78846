//! The smallest change that closes a path.

use super::explore::Demand;
use super::path::Hop;
use crate::model::NamespacedName;

/// What to change, and where. A Service that policies call the target itself is not to be removed: pods need an address.
pub fn of(demand: &Demand, hops: &[Hop], gateways: &[NamespacedName]) -> String {
    let by_via = !gateways.is_empty() && gateways.iter().all(|gateway| demand.via.contains(gateway));
    if by_via {
        return "let only the waypoint reach this Gateway (an address that nothing announces, no NodePort), or put the target behind the waypoint's own Service".into();
    }
    let rule = hops.iter().find(|hop| hop.object.contains("Route ") || hop.object.starts_with("Ingress "));
    if let Some(rule) = rule {
        let field = rule.field.as_deref().unwrap_or("its rule");
        let to = hops.iter().skip_while(|hop| *hop != rule).nth(1);
        let to = to.map_or_else(|| "the backend".to_owned(), |hop| hop.object.clone());
        return format!("in {} let {field} lead to the waypoint's Service instead of {to}, or remove it", rule.object);
    }
    match hops.iter().find(|hop| hop.object.starts_with("Service ")) {
        Some(service) => {
            let is_target = demand.targets.iter().any(|target| service.object == format!("Service {target}"));
            match is_target {
                true => {
                    "a NetworkPolicy on the target's pods that lets in only who comes last on the demanded path".into()
                }
                false => format!("remove {}, or let it select other pods", service.object),
            }
        }
        None => "a NetworkPolicy on the target's pods that lets in only who comes last on the demanded path".into(),
    }
}

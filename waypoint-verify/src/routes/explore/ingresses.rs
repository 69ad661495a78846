//! Ways in by Ingresses.
//!
//! Every path of a rule is a way, whatever other rule may win over it: which controller serves an Ingress, and how it is set, no object
//! says for certain. Of Ingresses that Cilium serves its tables are asked for a request that takes the way however it is set.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::Explorer;
use crate::routes::dialect::ingress::{Settings, backend_of, is_served, is_shared, passes_tls_through, rules, tables};
use crate::routes::doors;
use crate::routes::objects::{IngressBackend, IngressSpec, Item, World};
use crate::routes::path::{Hop, Path};
use crate::routes::request::Request;
use crate::routes::table::{Backend, RuleAt, Speaks, Table};
use crate::routes::witness::Aim;

/// What leads somewhere, of an Ingress.
struct Lead<'a> {
    at: RuleAt,
    host: &'a str,
    path: &'a str,
    what: String,
    field: String,
    backend: &'a IngressBackend,
}

impl Explorer<'_> {
    pub(super) fn ingress_paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        let asked_of = Tables { world: self.world, shared: RefCell::default() };
        for (number, ingress) in self.world.ingresses.values().enumerate() {
            let asked = asked_of.of(ingress);
            if let Asked::Cilium(settings) | Asked::NoRequest(settings) = &asked {
                self.say_refused(ingress, settings);
            }
            for lead in leads(number, &ingress.value) {
                let Some(next) = backend_of(self.world, &ingress.key.namespace, lead.backend) else { continue };
                let hop = Hop::of(ingress, lead.what.clone()).at(&lead.field);
                let legs = self.legs(&next, &mut Vec::new());
                if legs.is_empty() {
                    continue;
                }
                let (request, share) = asked.request(&lead, &next).unzip();
                for leg in legs.iter().cloned() {
                    let request = request.clone().filter(|_| leg.is_plain());
                    let mut leg = leg.after(hop.clone());
                    leg.proxied = true;
                    leg.share = share.flatten().or(leg.share);
                    paths.push(self.path(leg, doors::of_ingress(&ingress.value), request));
                }
            }
        }
        paths
    }

    /// Tables that Envoy does not take: what it had before goes on, wherever its rules lead now. Of all settings of the operator, or of some.
    fn say_refused(&self, ingress: &Item<IngressSpec>, settings: &[Rc<Vec<Table>>]) {
        let refused = || settings.iter().filter_map(|tables| tables.iter().find_map(|table| table.refused.as_ref()));
        let Some(why) = refused().next() else { return };
        let always = refused().count() == settings.len();
        let when = if always { "" } else { ", depending on how Cilium's operator is set" };
        let problem = ingress.finding(
            "spec.tls",
            format!("Envoy refuses the routes of this Ingress{when} ({why}) and goes on with those it had before"),
            "mend it; what the Ingress serves until then is not known",
        );
        self.unread.borrow_mut().insert(problem);
    }
}

/// Default backend and rules, numbered as their tables do.
fn leads(number: usize, spec: &IngressSpec) -> Vec<Lead<'_>> {
    let default = spec.default_backend.iter().map(|backend| Lead {
        at: RuleAt { route: number, rule: 0 },
        host: "*",
        path: "/",
        what: "default backend".to_owned(),
        field: "spec.defaultBackend".to_owned(),
        backend,
    });
    let places =
        spec.rules.iter().enumerate().flat_map(|(rule, of)| (0..of.http.paths.len()).map(move |path| (rule, path)));
    let of_rules = rules(spec).zip(places).enumerate().map(|(at, ((host, path), (rule, place)))| Lead {
        at: RuleAt { route: number, rule: at + 1 },
        host,
        path: &path.path,
        what: format!("rule {rule}: {host} {} {}", path.path_type, path.path),
        field: format!("spec.rules[{rule}].http.paths[{place}]"),
        backend: &path.backend,
    });
    default.chain(of_rules).collect()
}

/// Who is asked for requests.
enum Asked {
    /// The tables of each setting of Cilium's operator.
    Cilium(Vec<Rc<Vec<Table>>>),
    /// Nobody knows which rule wins: the rule's own host and path are taken.
    Nobody,
    /// What goes through is TLS.
    NoRequest(Vec<Rc<Vec<Table>>>),
}

/// Of all that share a load balancer there is one set of tables.
struct Tables<'w> {
    world: &'w World,
    shared: RefCell<HashMap<Settings, Rc<Vec<Table>>>>,
}

impl Tables<'_> {
    fn of(&self, ingress: &Item<IngressSpec>) -> Asked {
        if is_served(ingress) != Some(true) {
            return Asked::Nobody;
        }
        let tables: Vec<_> = Settings::all().map(|settings| self.under(ingress, settings)).collect();
        if passes_tls_through(ingress) { Asked::NoRequest(tables) } else { Asked::Cilium(tables) }
    }

    fn under(&self, ingress: &Item<IngressSpec>, settings: Settings) -> Rc<Vec<Table>> {
        let make = || Rc::new(tables(self.world, ingress, settings));
        if is_shared(ingress, settings) {
            self.shared.borrow_mut().entry(settings).or_insert_with(make).clone()
        } else {
            make()
        }
    }
}

impl Asked {
    /// With the share of requests that take the way, in percent, if that is not all of them.
    fn request(&self, lead: &Lead<'_>, to: &Backend) -> Option<(Request, Option<f64>)> {
        match self {
            Self::NoRequest(_) => None,
            Self::Nobody => Some((
                Request {
                    method: "GET".into(),
                    scheme: "http".into(),
                    host: if lead.host == "*" { "any.example".into() } else { lead.host.replacen('*', "a", 1) },
                    path: if lead.path.starts_with('/') { lead.path.to_owned() } else { "/".into() },
                    ..Request::default()
                },
                None,
            )),
            Self::Cilium(settings) => {
                [(Speaks::Http, "http"), (Speaks::Https, "https")].into_iter().find_map(|(speaks, scheme)| {
                    let of = |tables: &'_ Rc<Vec<Table>>| {
                        tables.iter().position(|table| table.fronts.iter().any(|front| front.speaks == speaks))
                    };
                    let tables: Vec<&Table> =
                        settings.iter().map(|tables| of(tables).map(|at| &tables[at])).collect::<Option<_>>()?;
                    // Where a setting redirects, there is no entry that leads on; where one has it, all are asked.
                    let entries = tables
                        .iter()
                        .flat_map(|table| &table.hosts)
                        .flat_map(|host| host.entries.iter().map(move |entry| (host, entry)));
                    let mut own = entries.filter(|(_, entry)| entry.rules.contains(&lead.at));
                    // However the operator is set, so many take it at least.
                    let shares = own.clone().filter_map(|(_, entry)| entry.share(to));
                    let share = shares.min_by(f64::total_cmp);
                    own.find_map(|(host, entry)| {
                        let aim = Aim { host, entry, backend: to, mirror: false, scheme };
                        Some((aim.request_by_all(&tables)?, share))
                    })
                })
            }
        }
    }
}

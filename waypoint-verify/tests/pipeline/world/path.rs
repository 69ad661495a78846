//! The connections of one client, all the way to the target.

use super::{BACKEND, CADDY, CLIENT, Connection, ENTRY, ENVOY, TARGET, UPSTREAM, WAYPOINT, World};

/// The connections that a compliant request uses.
pub struct Path {
    pub client: Connection,
    pub to_waypoint: Connection,
    pub to_upstream: Connection,
    pub to_backend: Connection,
}

pub const CLIENT_IP: &str = "10.244.1.1";
pub const INGRESS_IP: &str = "10.244.1.100";
pub const WAYPOINT_IP: &str = "10.244.1.3";

impl Path {
    pub fn open(world: &mut World) -> Self {
        Self {
            client: world.connect(CLIENT, "10.244.1.1:40000", ENVOY, ENTRY),
            to_waypoint: world.connect(ENVOY, "10.244.1.100:40001", CADDY, WAYPOINT),
            to_upstream: world.connect(CADDY, "10.244.1.3:40002", ENVOY, UPSTREAM),
            to_backend: world.connect(ENVOY, "10.244.1.100:40003", BACKEND, TARGET),
        }
    }

    pub fn request(&mut self, world: &mut World, target: &str, extra: &str) {
        for (place, text) in texts("GET", target, extra).into_iter().enumerate() {
            world.request(self.connection(place), &text);
        }
    }

    /// What has come of a body that is not complete.
    pub fn upload(&mut self, world: &mut World, target: &str, extra: &str, body: &str) {
        for (place, text) in texts("POST", target, extra).into_iter().enumerate() {
            world.request(self.connection(place), &format!("{text}{body}"));
        }
    }

    pub fn connection(&mut self, place: usize) -> &mut Connection {
        match place {
            0 => &mut self.client,
            1 => &mut self.to_waypoint,
            2 => &mut self.to_upstream,
            _ => &mut self.to_backend,
        }
    }

    pub fn respond(&mut self, world: &mut World) {
        for connection in [&mut self.to_backend, &mut self.to_upstream, &mut self.to_waypoint, &mut self.client] {
            world.respond(connection);
        }
    }

    pub fn close(&mut self, world: &mut World) {
        for connection in [&self.to_backend, &self.to_upstream, &self.to_waypoint, &self.client] {
            world.close(connection);
        }
    }
}

/// One request as the client, Envoy, Caddy and Envoy write it.
pub fn texts(method: &str, target: &str, extra: &str) -> [String; 4] {
    let start = format!("{method} {target} HTTP/1.1\n");
    [
        format!("{start}Host: hello\n{extra}\n"),
        format!("{start}host: hello\nx-forwarded-for: {CLIENT_IP}\nx-request-id: {target}\n{extra}\n"),
        format!("{start}Host: hello\nX-Forwarded-For: {INGRESS_IP}\nX-Request-Id: {target}\n{extra}\n"),
        format!(
            "{start}host: hello\nx-forwarded-for: {INGRESS_IP},{WAYPOINT_IP}\nx-request-id: new{target}\n{extra}\n"
        ),
    ]
}

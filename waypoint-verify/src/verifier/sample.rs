//! A policy and the Services that it names, for tests.

pub const OBJECTS: &str = "
apiVersion: v1
kind: Service
metadata: {name: backend, namespace: hello}
spec: {selector: {app: backend}, ports: [{port: 8083}]}
---
apiVersion: v1
kind: Service
metadata: {name: waypoint, namespace: hello}
spec: {selector: {app: waypoint}, ports: [{port: 8080}]}
---
apiVersion: waypoint-verify.dev/v1alpha1
kind: WaypointPolicy
metadata: {name: p, namespace: hello}
spec: {targetRefs: [{group: '', kind: Service, name: backend}], waypoint: {ref: {group: '', kind: Service, name: waypoint}}}
";

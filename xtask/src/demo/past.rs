//! Ways past the waypoint that scenarios and attacks apply alike.

/// What a genuine request carries that went through hello-waypoint-1: node-1's ingress address, then the waypoint's.
pub const GENUINE: &str = "10.244.1.2,10.244.1.10";

/// A Gateway of another namespace reaches the backend.
pub const OTHER_GATEWAY: &str = include_str!("../../../manifests/experiment/bypass-gateway/route.yaml");

/// A route of hello-gateway, straight to the backend, makes its requests look like genuine ones with this `traceparent` and path.
pub fn forging(trace: &str, path: &str) -> String {
    format!(
        r#"
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: forging, namespace: hello}}
spec:
  parentRefs: [{{name: hello-gateway}}]
  rules:
    - matches: [{{path: {{type: PathPrefix, value: /forge}}}}]
      backendRefs: [{{name: hello-backend, port: 8083}}]
      filters:
        - type: RequestHeaderModifier
          requestHeaderModifier:
            set:
              - {{name: x-forwarded-for, value: "{GENUINE}"}}
              - {{name: traceparent, value: "{trace}"}}
              - {{name: x-request-id, value: 3f2504e0-4f89-41d3-9a0c-0305e82c3301}}
        - type: URLRewrite
          urlRewrite: {{path: {{type: ReplaceFullPath, replaceFullPath: {path}}}}}
"#
    )
}

//! Each kind of way to the target's pods.

use super::{added, analysis, line, lines};
use crate::routes::{Assumptions, From};

fn service(name: &str, spec: &str) -> String {
    format!("{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: hello}}, spec: {spec}}}")
}

/// Objects and the paths that they add.
#[test]
fn every_kind_of_way_is_found() {
    let rows: &[(&str, &str, &[&str])] = &[
        (
            "a second Service selects the same pods",
            "{apiVersion: v1, kind: Service, metadata: {name: shadow, namespace: hello}, spec: {selector: {app: backend}, ports: [{port: 1, targetPort: 8085}]}}",
            &["DirectConnection: Service hello/shadow :8085"],
        ),
        (
            "an EndpointSlice made by hand names a pod of the target",
            "{apiVersion: v1, kind: Pod, metadata: {name: backend-1, namespace: hello, uid: u1, labels: {app: backend}}, spec: {containers: [{name: c}]}, status: {podIP: 10.0.0.5}}\n---\n\
             {apiVersion: v1, kind: Service, metadata: {name: manual, namespace: hello}, spec: {ports: [{port: 90}]}}\n---\n\
             {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: manual-x, namespace: hello, labels: {kubernetes.io/service-name: manual}}, addressType: IPv4, endpoints: [{addresses: [10.0.0.5]}], ports: [{name: '', port: 8085}]}",
            &["DirectConnection: Pod hello/backend-1 :any", "DirectConnection: Service hello/manual :8085"],
        ),
        (
            "a Service of another namespace by its name",
            "{apiVersion: v1, kind: Service, metadata: {name: alias, namespace: elsewhere}, spec: {type: ExternalName, externalName: backend.hello.svc.cluster.local, ports: [{port: 8083}]}}",
            &["DirectConnection: Service elsewhere/alias > Service hello/backend :8084"],
        ),
        (
            "a headless Service",
            "{apiVersion: v1, kind: Service, metadata: {name: pods, namespace: hello}, spec: {clusterIP: None, selector: {app: backend}, ports: [{port: 8084}]}}",
            &["DirectConnection: Service hello/pods :8084"],
        ),
        (
            "an Ingress",
            "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: in, namespace: hello}, spec: {rules: [{host: a.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: backend, port: {name: http}}}}]}}]}}",
            &["RouteBypass: Ingress hello/in > Service hello/backend :8084"],
        ),
        (
            "the default backend of an Ingress",
            "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: in, namespace: hello}, spec: {defaultBackend: {service: {name: backend, port: {number: 8083}}}}}",
            &["RouteBypass: Ingress hello/in > Service hello/backend :8084"],
        ),
        (
            "a GRPCRoute",
            "{apiVersion: gateway.networking.k8s.io/v1, kind: GRPCRoute, metadata: {name: g, namespace: hello}, spec: {parentRefs: [{name: front}], rules: [{matches: [{method: {service: s}}], backendRefs: [{name: backend, port: 8083}]}]}}",
            &["RouteBypass: Gateway hello/front > GRPCRoute hello/g > Service hello/backend :8084"],
        ),
        (
            "TLS that is passed through",
            "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: tls, namespace: hello}, spec: {gatewayClassName: cilium, listeners: [{name: t, port: 443, protocol: TLS, tls: {mode: Passthrough}}]}}\n---\n\
             {apiVersion: gateway.networking.k8s.io/v1, kind: TLSRoute, metadata: {name: t, namespace: hello}, spec: {parentRefs: [{name: tls}], hostnames: [a.example], rules: [{backendRefs: [{name: backend, port: 8083}]}]}}",
            &["RouteBypass: Gateway hello/tls > TLSRoute hello/t > Service hello/backend :8084"],
        ),
        (
            "a TCPRoute",
            "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: tcp, namespace: hello}, spec: {gatewayClassName: cilium, listeners: [{name: t, port: 9000, protocol: TCP}]}}\n---\n\
             {apiVersion: gateway.networking.k8s.io/v1alpha2, kind: TCPRoute, metadata: {name: t, namespace: hello}, spec: {parentRefs: [{name: tcp}], rules: [{backendRefs: [{name: backend, port: 8083}]}]}}",
            &["RouteBypass: Gateway hello/tcp > TCPRoute hello/t > Service hello/backend :8084"],
        ),
        (
            "a ListenerSet of another namespace, which the Gateway lets in",
            "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: open, namespace: hello}, spec: {gatewayClassName: cilium, allowedListeners: {namespaces: {from: All}}, listeners: [{name: a, port: 81, protocol: HTTP}]}}\n---\n\
             {apiVersion: gateway.networking.k8s.io/v1, kind: ListenerSet, metadata: {name: set, namespace: hello}, spec: {parentRef: {name: open}, listeners: [{name: b, port: 82, protocol: HTTP}]}}\n---\n\
             {apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r, namespace: hello}, spec: {parentRefs: [{kind: ListenerSet, name: set}], rules: [{backendRefs: [{name: backend, port: 8083}]}]}}",
            &["RouteBypass: Gateway hello/open > HTTPRoute hello/r > Service hello/backend :8084"],
        ),
        (
            "a copy of what goes to the waypoint",
            "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: m, namespace: hello}, spec: {parentRefs: [{name: front}], rules: [{matches: [{path: {type: Exact, value: /m}}], filters: [{type: RequestMirror, requestMirror: {backendRef: {name: backend, port: 8083}}}], backendRefs: [{name: waypoint, port: 8080}]}]}}",
            &[
                "RouteBypass copy: Gateway hello/front > HTTPRoute hello/m > Service hello/backend :8084",
                "through: Gateway hello/front > HTTPRoute hello/m > Service hello/waypoint :8081",
            ],
        ),
        (
            "one Gateway's route leads to another Gateway",
            "{apiVersion: v1, kind: Service, metadata: {name: cilium-gateway-upstream, namespace: hello, labels: {gateway.networking.k8s.io/gateway-name: upstream}}, spec: {type: LoadBalancer, ports: [{port: 8082}]}}\n---\n\
             {apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: chain, namespace: hello}, spec: {parentRefs: [{name: front}], rules: [{matches: [{path: {value: /c}}], backendRefs: [{name: cilium-gateway-upstream, port: 8082}]}]}}",
            &[
                "RouteBypass: Gateway hello/front > HTTPRoute hello/chain > Service hello/cilium-gateway-upstream > HTTPRoute hello/upstream > Service hello/backend :8084",
            ],
        ),
        (
            "a Service's own route",
            "{apiVersion: v1, kind: Service, metadata: {name: mesh, namespace: hello}, spec: {ports: [{port: 80}]}}\n---\n\
             {apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: mesh, namespace: hello}, spec: {parentRefs: [{group: '', kind: Service, name: mesh}], rules: [{backendRefs: [{name: backend, port: 8083}]}]}}",
            &["RouteBypass: Service hello/mesh > HTTPRoute hello/mesh > Service hello/backend :8084"],
        ),
        (
            "a CiliumEnvoyConfig written by hand",
            "{apiVersion: v1, kind: Service, metadata: {name: taken, namespace: hello}, spec: {ports: [{port: 80}]}}\n---\n\
             {apiVersion: cilium.io/v2, kind: CiliumEnvoyConfig, metadata: {name: c, namespace: hello}, spec: {services: [{name: taken, namespace: hello}], backendServices: [{name: backend, namespace: hello}], resources: []}}",
            &["RouteBypass: Service hello/taken > CiliumEnvoyConfig hello/c > Service hello/backend :8084"],
        ),
        (
            "a cluster of a CiliumClusterwideEnvoyConfig",
            "{apiVersion: v1, kind: Service, metadata: {name: taken, namespace: hello}, spec: {ports: [{port: 80}]}}\n---\n\
             {apiVersion: cilium.io/v2, kind: CiliumClusterwideEnvoyConfig, metadata: {name: c}, spec: {services: [{name: taken, namespace: hello}], resources: [{'@type': x, name: hello/backend, edsClusterConfig: {serviceName: 'hello/backend:8083'}}]}}",
            &["RouteBypass: Service hello/taken > CiliumClusterwideEnvoyConfig c > Service hello/backend :8084"],
        ),
        (
            "a CiliumLocalRedirectPolicy of an address",
            "{apiVersion: cilium.io/v2, kind: CiliumLocalRedirectPolicy, metadata: {name: l, namespace: hello}, spec: {redirectFrontend: {addressMatcher: {ip: 169.254.1.1, toPorts: [{port: '80', protocol: TCP}]}}, redirectBackend: {localEndpointSelector: {matchLabels: {app: backend}}, toPorts: [{port: '8084', protocol: TCP}]}}}",
            &["DirectConnection: CiliumLocalRedirectPolicy hello/l :8084"],
        ),
        (
            "a CiliumLocalRedirectPolicy of a Service",
            "{apiVersion: v1, kind: Service, metadata: {name: local, namespace: hello}, spec: {ports: [{port: 80}]}}\n---\n\
             {apiVersion: cilium.io/v2, kind: CiliumLocalRedirectPolicy, metadata: {name: l, namespace: hello}, spec: {redirectFrontend: {serviceMatcher: {serviceName: local, namespace: hello}}, redirectBackend: {localEndpointSelector: {matchLabels: {app: backend}}, toPorts: [{port: '8084', protocol: TCP}]}}}",
            &["DirectConnection: Service hello/local > CiliumLocalRedirectPolicy hello/l :8084"],
        ),
        (
            "a port of the node",
            "{apiVersion: batch/v1, kind: CronJob, metadata: {name: cron, namespace: hello}, spec: {jobTemplate: {spec: {template: {metadata: {labels: {app: backend}}, spec: {containers: [{name: c, ports: [{containerPort: 8084, hostPort: 80}]}]}}}}}}",
            &["DirectConnection: CronJob hello/cron :any", "DirectConnection: CronJob hello/cron :8084"],
        ),
        (
            "the node's own network",
            "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: d, namespace: hello}, spec: {template: {metadata: {labels: {app: backend}}, spec: {hostNetwork: true, containers: [{name: c, ports: [{containerPort: 8084}]}]}}}}",
            &["DirectConnection: DaemonSet hello/d :any", "DirectConnection: DaemonSet hello/d :8084"],
        ),
        (
            "another port of the Service, by its address",
            "{apiVersion: v1, kind: Service, metadata: {name: own, namespace: hello}, spec: {clusterIP: 10.0.0.9, selector: {app: backend}, ports: [{port: 8083, targetPort: 8084}]}}\n---\n{apiVersion: v1, kind: Service, metadata: {name: chain, namespace: hello}, spec: {ports: [{port: 80}]}}\n---\n{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: chain-1, namespace: hello, labels: {kubernetes.io/service-name: chain}}, addressType: IPv4, ports: [{port: 8083}], endpoints: [{addresses: [10.0.0.9]}]}",
            &[
                "DirectConnection: Service hello/chain > Service hello/own :8084",
                "DirectConnection: Service hello/own :8084",
            ],
        ),
        (
            "a port of a node",
            "{apiVersion: v1, kind: Service, metadata: {name: own, namespace: hello}, spec: {type: NodePort, selector: {app: backend}, ports: [{port: 8083, targetPort: 8084, nodePort: 30083}]}}\n---\n{apiVersion: v1, kind: Service, metadata: {name: chain, namespace: hello}, spec: {ports: [{port: 80}]}}\n---\n{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: chain-1, namespace: hello, labels: {kubernetes.io/service-name: chain}}, addressType: IPv4, ports: [{port: 30083}], endpoints: [{addresses: [192.0.2.7]}]}",
            &[
                "DirectConnection: Service hello/chain > Service hello/own :8084",
                "DirectConnection: Service hello/own :8084",
            ],
        ),
        (
            "a port of a node that a pod has",
            "{apiVersion: v1, kind: Service, metadata: {name: chain, namespace: hello}, spec: {ports: [{port: 80}]}}\n---\n{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: chain-1, namespace: hello, labels: {kubernetes.io/service-name: chain}}, addressType: IPv4, ports: [{port: 9090}], endpoints: [{addresses: [192.0.2.7]}]}\n---\n{apiVersion: apps/v1, kind: Deployment, metadata: {name: held, namespace: hello}, spec: {template: {metadata: {labels: {app: backend}}, spec: {containers: [{name: c, ports: [{containerPort: 8084, hostPort: 9090}]}]}}}}",
            &[
                "DirectConnection: Deployment hello/held :any",
                "DirectConnection: Deployment hello/held :8084",
                "DirectConnection: Service hello/chain :8084",
            ],
        ),
        (
            "the Service as all clusters have it",
            "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: chain, namespace: hello}, spec: {parentRefs: [{name: front}], hostnames: [chain.example], rules: [{backendRefs: [{group: multicluster.x-k8s.io, kind: ServiceImport, name: backend, port: 8083}]}]}}",
            &["RouteBypass: Gateway hello/front > HTTPRoute hello/chain > Service hello/backend :8084"],
        ),
        (
            "an object of an unknown kind that names the Service",
            "{apiVersion: traefik.io/v1alpha1, kind: IngressRoute, metadata: {name: t, namespace: hello}, spec: {routes: [{services: [{name: backend, port: 8083}]}]}}",
            &["unknown: IngressRoute hello/t :any"],
        ),
    ];
    for (what, objects, expected) in rows {
        let mut found = lines(&added(&[objects]));
        // The same pods by the base's own Services are no ways of these objects.
        found.retain(|line| {
            !line.contains(": Service hello/backend ")
                && !line.ends_with("HTTPRoute hello/upstream > Service hello/backend :8084")
                || line.contains("chain")
        });
        assert_eq!(found, *expected, "{what}");
    }
}

#[test]
fn who_can_take_a_way_follows_from_the_type_of_the_service() {
    let rows = [
        ("{selector: {app: backend}, ports: [{port: 1}]}", [false, true]),
        ("{type: NodePort, selector: {app: backend}, ports: [{port: 1, nodePort: 30001}]}", [true, true]),
        ("{type: LoadBalancer, selector: {app: backend}, ports: [{port: 1}]}", [true, true]),
        ("{externalIPs: [192.0.2.1], selector: {app: backend}, ports: [{port: 1}]}", [true, true]),
    ];
    for (spec, [outside, cluster]) in rows {
        let paths = added(&[&service("other", spec)]);
        let path = paths.iter().find(|path| line(path).contains("hello/other")).unwrap();
        let from = |wanted| path.doors.iter().any(|door| door.from == wanted);
        assert_eq!((from(From::Outside), from(From::Cluster)), (outside, cluster), "{spec}");
        assert_eq!(path.from_outside(), outside, "{spec}");
    }
}

#[test]
fn a_service_of_other_pods_or_of_another_namespace_is_no_way() {
    let rows = [
        service("other", "{selector: {app: nobody}, ports: [{port: 1}]}"),
        service("none", "{ports: [{port: 1}]}"),
        service("udp", "{selector: {app: backend}, ports: [{port: 1, protocol: UDP}]}"),
        "{apiVersion: v1, kind: Service, metadata: {name: far, namespace: far}, spec: {selector: {app: backend}, ports: [{port: 1}]}}".into(),
        service("unnamed", "{selector: {app: backend}, ports: [{port: 1, targetPort: no-such-port}]}"),
    ];
    for objects in rows {
        assert_eq!(lines(&added(&[&objects])), [""; 0], "{objects}");
    }
}

#[test]
fn a_witness_is_there_and_says_how() {
    let route = "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r, namespace: hello}, spec: {parentRefs: [{name: front}], hostnames: [a.example], rules: [{matches: [{path: {type: RegularExpression, value: '/v[0-9]+/x'}, method: PUT, headers: [{name: X-Debug, value: 'on'}], queryParams: [{name: q, value: '1'}]}], backendRefs: [{name: backend, port: 8083}]}]}}";
    let paths = added(&[route]);
    let witness = paths[0].witness.as_ref().unwrap();
    assert_eq!(
        witness.curl(),
        "curl -X PUT -H 'Host: a.example' -H 'x-debug: on' 'http://<address of Gateway front>:80/v0/x?q=1'"
    );
    assert_eq!(witness.from, "outside");
}

#[test]
fn pods_that_nothing_makes_are_assumed() {
    let base = super::BASE.replacen("app: backend}}, spec: {containers", "app: gone}}, spec: {containers", 1);
    let found = crate::routes::analyze(&super::world(&[&base]), &super::demand(), &Assumptions::default());
    assert!(
        lines(&found.paths).contains(&"DirectConnection: Service hello/backend :any".to_owned()),
        "{:?}",
        lines(&found.paths)
    );
    assert!(found.findings.iter().any(|problem| problem.to_string().contains("pods hello/app=backend")));
    assert!(analysis(&[]).findings.is_empty());
}

#[test]
fn what_cilium_generated_decides_and_what_the_model_lacks_is_told() {
    let config = |cluster: &str| {
        format!(
            "{{apiVersion: cilium.io/v2, kind: CiliumEnvoyConfig, metadata: {{name: cilium-gateway-front, namespace: hello, ownerReferences: [{{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, name: front, uid: u}}]}}, spec: {{resources: [{{'@type': type.googleapis.com/envoy.config.cluster.v3.Cluster, name: '{cluster}'}}]}}}}"
        )
    };
    assert_eq!(lines(&added(&[&config("hello:waypoint:8080")])), [""; 0]);
    let found = analysis(&[&config("hello:backend:8083")]);
    let way =
        "RouteBypass: Gateway hello/front > CiliumEnvoyConfig hello/cilium-gateway-front > Service hello/backend :8084";
    assert!(lines(&found.paths).contains(&way.to_owned()), "{:?}", lines(&found.paths));
    assert!(found.findings.iter().any(|finding| finding.to_string().contains("which the objects do not explain")));
    // A route that explains it is the path.
    let route = "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r, namespace: hello}, spec: {parentRefs: [{name: front}], rules: [{matches: [{path: {value: /x}}], backendRefs: [{name: backend, port: 8083}]}]}}";
    let found = analysis(&[&config("hello:backend:8083"), route]);
    assert!(!lines(&found.paths).contains(&way.to_owned()));
    assert!(found.findings.is_empty(), "{:?}", found.findings);
}

#[test]
fn who_calls_itself_a_gateways_is_followed_all_the_same() {
    let rows: &[(&str, &str, &str)] = &[
        (
            "a Service with a Gateway's label and a selector of its own",
            "{apiVersion: v1, kind: Service, metadata: {name: mine, namespace: hello, labels: {gateway.networking.k8s.io/gateway-name: front}}, spec: {selector: {app: backend}, ports: [{port: 1, targetPort: 8085}]}}",
            "DirectConnection: Service hello/mine :8085",
        ),
        (
            "a Service with a Gateway's Service's name",
            "{apiVersion: v1, kind: Service, metadata: {name: cilium-gateway-front, namespace: hello}, spec: {selector: {app: backend}, ports: [{port: 1, targetPort: 8085}]}}",
            "DirectConnection: Service hello/cilium-gateway-front :8085",
        ),
        (
            "a configuration that says that a Gateway owns it, for another Service",
            "{apiVersion: v1, kind: Service, metadata: {name: taken, namespace: hello}, spec: {ports: [{name: web, port: 80}]}}\n---\n\
             {apiVersion: cilium.io/v2, kind: CiliumEnvoyConfig, metadata: {name: c, namespace: hello, ownerReferences: [{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, name: upstream, uid: u}]}, spec: {services: [{name: taken, namespace: hello, ports: [web]}], backendServices: [{name: backend, namespace: hello}], resources: []}}",
            "RouteBypass: Service hello/taken > CiliumEnvoyConfig hello/c > Service hello/backend :8084",
        ),
        (
            "an EndpointSlice of a name that is an alias",
            "{apiVersion: v1, kind: Pod, metadata: {name: backend-1, namespace: hello, uid: u1, labels: {app: backend}}, spec: {hostNetwork: true, containers: [{name: c}]}, status: {podIP: 10.0.0.5}}\n---\n\
             {apiVersion: v1, kind: Service, metadata: {name: alias, namespace: hello}, spec: {type: ExternalName, externalName: elsewhere.example, ports: [{port: 90}]}}\n---\n\
             {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: alias-x, namespace: hello, labels: {kubernetes.io/service-name: alias}}, addressType: IPv4, endpoints: [{addresses: [10.0.0.5]}], ports: [{name: '', port: 8085}]}",
            "DirectConnection: Service hello/alias :8085",
        ),
    ];
    for (what, objects, expected) in rows {
        let found = lines(&added(&[objects]));
        assert!(found.contains(&(*expected).to_owned()), "{what}: {found:?}");
    }
}

#[test]
fn source_ranges_of_a_load_balancer_are_told_and_close_nothing() {
    let spec =
        "{type: LoadBalancer, loadBalancerSourceRanges: [192.0.2.0/24], selector: {app: backend}, ports: [{port: 1}]}";
    let paths = added(&[&service("other", spec)]);
    assert!(paths[0].class.is_past() && paths[0].from_outside());
    assert_eq!(paths[0].notes, ["its load balancer lets in only 192.0.2.0/24"]);
    let of_gateway = "{apiVersion: v1, kind: Service, metadata: {name: cilium-gateway-front, namespace: hello}, spec: {type: LoadBalancer, loadBalancerSourceRanges: [192.0.2.0/24], ports: [{port: 80}]}}";
    let told = analysis(&[of_gateway]).paths;
    let front = told.iter().filter(|path| path.hops[0].object == "Gateway hello/front");
    assert!(front.flat_map(|path| &path.notes).any(|note| note.contains("192.0.2.0/24")));
}

//! Kinds that declare no path.

/// Kinds that lead traffic nowhere, or only close what others open. What they say of a Service is no path of its own: a pod
/// that dials it takes the way of every pod.
const IRRELEVANT: [(&str, &str); 38] = [
    ("", "ComponentStatus"),
    ("", "ConfigMap"),
    ("", "Secret"),
    ("", "ServiceAccount"),
    ("", "Event"),
    ("", "Node"),
    ("", "LimitRange"),
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("", "PodTemplate"),
    ("", "ResourceQuota"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    ("apps", "ControllerRevision"),
    ("gateway.networking.k8s.io", "BackendTLSPolicy"),
    ("networking.k8s.io", "IPAddress"),
    ("networking.k8s.io", "IngressClass"),
    ("networking.k8s.io", "ServiceCIDR"),
    ("cilium.io", "CiliumBGPAdvertisement"),
    ("cilium.io", "CiliumBGPClusterConfig"),
    ("cilium.io", "CiliumBGPNodeConfig"),
    ("cilium.io", "CiliumBGPNodeConfigOverride"),
    ("cilium.io", "CiliumBGPPeerConfig"),
    // A policy that names one lets in somebody who is not known.
    ("cilium.io", "CiliumCIDRGroup"),
    ("cilium.io", "CiliumEgressGatewayPolicy"),
    ("cilium.io", "CiliumBGPPeeringPolicy"),
    ("cilium.io", "CiliumEndpoint"),
    ("cilium.io", "CiliumEndpointSlice"),
    ("cilium.io", "CiliumExternalWorkload"),
    ("cilium.io", "CiliumIdentity"),
    ("cilium.io", "CiliumGatewayClassConfig"),
    ("cilium.io", "CiliumL2AnnouncementPolicy"),
    ("cilium.io", "CiliumLoadBalancerIPPool"),
    ("cilium.io", "CiliumNode"),
    ("cilium.io", "CiliumNodeConfig"),
    ("cilium.io", "CiliumPodIPPool"),
    ("kustomize.config.k8s.io", "Kustomization"),
    ("waypoint-verify.dev", "WaypointPolicy"),
];

/// Groups of Kubernetes and of reports, all kinds of which are so.
const IRRELEVANT_GROUPS: [&str; 17] = [
    "apiextensions.k8s.io",
    "autoscaling",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "custom.metrics.k8s.io",
    "events.k8s.io",
    "external.metrics.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "metrics.k8s.io",
    "node.k8s.io",
    "openreports.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "wgpolicyk8s.io",
];

pub fn is(group: &str, kind: &str) -> bool {
    IRRELEVANT_GROUPS.contains(&group) || IRRELEVANT.contains(&(group, kind))
}

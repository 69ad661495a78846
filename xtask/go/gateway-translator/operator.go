package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/cilium/hive/cell"
	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	operatorOption "github.com/cilium/cilium/operator/option"
	"github.com/cilium/cilium/operator/pkg/ciliumenvoyconfig"
	"github.com/cilium/cilium/operator/pkg/ciliumpod"
	gatewayapi "github.com/cilium/cilium/operator/pkg/gateway-api"
	"github.com/cilium/cilium/operator/pkg/ingress"
	mcsapitypes "github.com/cilium/cilium/pkg/clustermesh/mcsapi/types"
	"github.com/cilium/cilium/pkg/hive"
	ciliumv2 "github.com/cilium/cilium/pkg/k8s/apis/cilium.io/v2"
	k8sclient "github.com/cilium/cilium/pkg/k8s/client"
	"github.com/cilium/cilium/pkg/option"
)

// operator holds the reconcilers as Cilium's own cells register them, with their defaults.
type operator struct {
	scheme   *runtime.Scheme
	registry *registry
}

func newOperator(logger *slog.Logger) (*operator, error) {
	operatorOption.Config.EnableGatewayAPI = true
	operatorOption.Config.KubeProxyReplacement = true
	scheme := clientgoscheme.Scheme
	if err := ciliumv2.AddToScheme(scheme); err != nil {
		return nil, err
	}
	// As the operator's own controller-runtime cell does.
	equality.Semantic.AddFunc(func(a, b ciliumv2.XDSResource) bool { return proto.Equal(a.Any, b.Any) })
	registry := newRegistry(scheme)
	h := hive.New(
		// Without a kubeconfig it is switched off; the cells take every definition for installed then.
		k8sclient.Cell,
		gatewayapi.Cell,
		ingress.Cell,
		cell.Provide(
			func() manager.Manager { return registry },
			func() *runtime.Scheme { return scheme },
			func() *option.DaemonConfig {
				return &option.DaemonConfig{EnableIPv4: true, EnableIPv6: true, K8sNamespace: "kube-system"}
			},
			func() *operatorOption.OperatorConfig { return operatorOption.Config },
			func() mcsapitypes.MCSAPIConfig { return mcsapitypes.MCSAPIConfig{} },
			func() ciliumpod.Config { return ciliumpod.Config{} },
			// The operator's defaults.
			func() ciliumenvoyconfig.EnvoyProxyTimeouts {
				return ciliumenvoyconfig.EnvoyProxyTimeouts{ProxyIdleTimeoutSeconds: 60, ProxyStreamIdleTimeoutSeconds: 300}
			},
		),
	)
	hive.AddConfigOverride(h, func(config *ingress.IngressConfig) { config.EnableIngressController = true })
	if err := h.Populate(logger); err != nil {
		return nil, err
	}
	return &operator{scheme: scheme, registry: registry}, nil
}

var (
	gatewayClass = gatewayv1.SchemeGroupVersion.WithKind("GatewayClass")
	gateway      = gatewayv1.SchemeGroupVersion.WithKind("Gateway")
	httpRoute    = gatewayv1.SchemeGroupVersion.WithKind("HTTPRoute")
	grpcRoute    = gatewayv1.SchemeGroupVersion.WithKind("GRPCRoute")
	tlsRoute     = gatewayv1.SchemeGroupVersion.WithKind("TLSRoute")
	service      = corev1.SchemeGroupVersion.WithKind("Service")
	ingressKind  = networkingv1.SchemeGroupVersion.WithKind("Ingress")
	envoyConfig  = ciliumv2.SchemeGroupVersion.WithKind("CiliumEnvoyConfig")
)

// Who is asked about which objects. Nobody looks at what another one has made.
var reconcilers = []struct {
	name string
	kind schema.GroupVersionKind
}{
	{"gatewayclass", gatewayClass},
	{"gateway", gateway},
	{"gammaService", service},
	{"ingress", ingressKind},
}

// run reconciles everything once.
func (o *operator) run(objects []*unstructured.Unstructured, order int64) (*outcome, error) {
	var initial []client.Object
	for _, object := range objects {
		made, err := typed(o.scheme, object)
		if err != nil {
			return nil, fmt.Errorf("%s %s/%s: %w", object.GetKind(), object.GetNamespace(), object.GetName(), err)
		}
		initial = append(initial, made)
	}
	world := o.registry.world
	world.begin(initial, order)
	result := &outcome{Order: order, Configs: []any{}}
	for _, kind := range reconcilers {
		reconciler, ok := o.registry.reconcilers[kind.name]
		if !ok {
			return nil, fmt.Errorf("no reconciler %q was registered", kind.name)
		}
		for _, key := range world.keys(kind.kind) {
			if _, err := reconciler.Reconcile(context.Background(), ctrl.Request{NamespacedName: key}); err != nil {
				result.Failures = append(result.Failures, fmt.Sprintf("%s %s: %v", kind.name, key, err))
			}
		}
	}
	for _, key := range world.keys(envoyConfig) {
		config := world.objects[envoyConfig][key].(*ciliumv2.CiliumEnvoyConfig)
		result.Configs = append(result.Configs, map[string]any{
			"apiVersion": ciliumv2.SchemeGroupVersion.String(),
			"kind":       "CiliumEnvoyConfig",
			"metadata":   map[string]any{"namespace": config.Namespace, "name": config.Name},
			"spec":       config.Spec,
		})
	}
	result.Routes = routes(world)
	return result, nil
}

type routeStatus struct {
	Kind      string                        `json:"kind"`
	Namespace string                        `json:"namespace"`
	Name      string                        `json:"name"`
	Parents   []gatewayv1.RouteParentStatus `json:"parents"`
}

func routes(world *world) []routeStatus {
	var result []routeStatus
	for _, kind := range []schema.GroupVersionKind{httpRoute, grpcRoute, tlsRoute} {
		for _, key := range world.keys(kind) {
			one := routeStatus{Kind: kind.Kind, Namespace: key.Namespace, Name: key.Name}
			switch route := world.objects[kind][key].(type) {
			case *gatewayv1.HTTPRoute:
				one.Parents = route.Status.Parents
			case *gatewayv1.GRPCRoute:
				one.Parents = route.Status.Parents
			case *gatewayv1.TLSRoute:
				one.Parents = route.Status.Parents
			}
			for i := range one.Parents {
				for j := range one.Parents[i].Conditions {
					// The only thing that differs from run to run.
					one.Parents[i].Conditions[j].LastTransitionTime = metav1.Time{}
				}
			}
			result = append(result, one)
		}
	}
	return result
}

func labelsOf(object client.Object) labels.Set { return labels.Set(object.GetLabels()) }

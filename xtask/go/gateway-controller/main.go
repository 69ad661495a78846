// Command gateway-controller is the Gateway API part of Cilium's operator as a plain process: it makes of Gateways and routes
// what the operator makes of them in a cluster (conditions, Services, EndpointSlices, CiliumEnvoyConfigs), and nothing else.
//
// It takes the operator's own flags; --k8s-kubeconfig-path names the API server.
package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/cilium/hive/cell"
	"github.com/spf13/cobra"

	operatorOption "github.com/cilium/cilium/operator/option"
	"github.com/cilium/cilium/operator/pkg/ciliumenvoyconfig"
	controllerruntime "github.com/cilium/cilium/operator/pkg/controller-runtime"
	gatewayapi "github.com/cilium/cilium/operator/pkg/gateway-api"
	mcsapitypes "github.com/cilium/cilium/pkg/clustermesh/mcsapi/types"
	"github.com/cilium/cilium/pkg/hive"
	"github.com/cilium/cilium/pkg/k8s/client"
	"github.com/cilium/cilium/pkg/option"
)

func main() {
	// The operator fills this in from its flags; the Gateway API part reads the global one too.
	operatorOption.Config.EnableGatewayAPI = true
	operatorOption.Config.KubeProxyReplacement = true

	h := hive.New(
		client.Cell,
		controllerruntime.Cell,
		gatewayapi.Cell,
		cell.Provide(
			func() *option.DaemonConfig { return &option.DaemonConfig{EnableIPv4: true, EnableIPv6: true} },
			func() *operatorOption.OperatorConfig { return operatorOption.Config },
			func() mcsapitypes.MCSAPIConfig { return mcsapitypes.MCSAPIConfig{} },
			// The operator's defaults (its cell of this name would watch Services too).
			func() ciliumenvoyconfig.EnvoyProxyTimeouts {
				return ciliumenvoyconfig.EnvoyProxyTimeouts{ProxyIdleTimeoutSeconds: 60, ProxyStreamIdleTimeoutSeconds: 300}
			},
		),
	)
	command := &cobra.Command{
		Use:           "gateway-controller",
		Short:         "Cilium's Gateway API controller against the API server of a kubeconfig",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(*cobra.Command, []string) error {
			return h.Run(slog.New(slog.NewTextHandler(os.Stderr, nil)))
		},
	}
	h.RegisterFlags(command.Flags())
	if err := command.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "gateway-controller:", err)
		os.Exit(1)
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"

	"github.com/cilium/cilium/pkg/identity"
	"github.com/cilium/cilium/pkg/identity/identitymanager"
	"github.com/cilium/cilium/pkg/k8s"
	ciliumv2 "github.com/cilium/cilium/pkg/k8s/apis/cilium.io/v2"
	slimv1 "github.com/cilium/cilium/pkg/k8s/slim/k8s/api/networking/v1"
	"github.com/cilium/cilium/pkg/labels"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/policy/types"
	"github.com/cilium/cilium/pkg/policy/utils"
	testidentity "github.com/cilium/cilium/pkg/testutils/identity"
	testpolicy "github.com/cilium/cilium/pkg/testutils/policy"
	"github.com/cilium/cilium/pkg/u8proto"
)

// Identities of pods are numbered from here on.
const firstPod = identity.NumericIdentity(1000)

// question asks whom the policies of one set let in to some pods.
type question struct {
	ID string `json:"id"`
	// Cilium's policyEnforcementMode.
	Mode     string            `json:"mode"`
	Policies []json.RawMessage `json:"policies"`
	Pods     []pod             `json:"pods"`
	Flows    []flow            `json:"flows"`
}

type pod struct {
	Namespace       string            `json:"namespace"`
	NamespaceLabels map[string]string `json:"namespaceLabels"`
	Labels          map[string]string `json:"labels"`
	// TCP ports by name.
	Ports map[string]uint16 `json:"ports"`
}

// flow is one attempt to connect.
type flow struct {
	// Which of the pods; nothing: what Envoy sends for a Gateway.
	From *int   `json:"from"`
	To   int    `json:"to"`
	Port uint16 `json:"port"`
}

type admissions struct {
	ID string `json:"id"`
	// Policies that Cilium does not take, and why; the others hold.
	Refused []string `json:"refused,omitempty"`
	// Of each flow, whether it is let in.
	Allowed []bool `json:"allowed"`
}

// admit asks Cilium's own policy engine (pkg/policy), without a datapath.
func admit(logger *slog.Logger, asked question) (*admissions, error) {
	policy.SetPolicyEnabled(asked.Mode)
	known := identity.IdentityMap{}
	gateway := identity.NewIdentityFromLabelArray(identity.ReservedIdentityIngress, labels.LabelIngress.LabelArray())
	known[gateway.ID] = gateway.LabelArray
	var pods []*identity.Identity
	for at, one := range asked.Pods {
		made := identity.NewIdentityFromLabelArray(firstPod+identity.NumericIdentity(at), one.labels())
		pods = append(pods, made)
		known[made.ID] = made.LabelArray
	}
	manager := identitymanager.NewIDManager(logger)
	repository := policy.NewPolicyRepository(logger, known, nil, nil, manager, testpolicy.NewPolicyMetricsNoop())
	repository.GetSelectorCache().SetLocalIdentityNotifier(testidentity.NewDummyIdentityNotifier())
	wait := &sync.WaitGroup{}
	repository.GetSubjectSelectorCache().UpdateIdentities(known, nil, wait)
	wait.Wait()

	result := &admissions{ID: asked.ID, Allowed: []bool{}}
	for at, text := range asked.Policies {
		entries, err := entriesOf(logger, text)
		if err != nil {
			result.Refused = append(result.Refused, fmt.Sprintf("%d: %v", at, err))
			continue
		}
		repository.MustAddPolicyEntries(entries)
	}
	for _, one := range asked.Flows {
		from := gateway
		if one.From != nil {
			from = pods[*one.From]
		}
		verdict, _, _, err := policy.LookupFlow(logger, repository, manager, types.Flow{
			From: from, To: pods[one.To], Proto: u8proto.TCP, Dport: one.Port, NamedPortsTCP: asked.Pods[one.To].Ports,
		})
		if err != nil {
			return nil, err
		}
		result.Allowed = append(result.Allowed, verdict.Ingress == types.DecisionAllowed)
	}
	return result, nil
}

// labels are those of the security identity that a pod gets.
func (p *pod) labels() labels.LabelArray {
	made := labels.LabelArray{labels.NewLabel("io.kubernetes.pod.namespace", p.Namespace, labels.LabelSourceK8s)}
	for name, value := range p.Labels {
		made = append(made, labels.NewLabel(name, value, labels.LabelSourceK8s))
	}
	for name, value := range p.NamespaceLabels {
		made = append(made, labels.NewLabel("io.cilium.k8s.namespace.labels."+name, value, labels.LabelSourceK8s))
	}
	made = append(made, labels.NewLabel("io.cilium.k8s.policy.cluster", "default", labels.LabelSourceK8s))
	return made.Sort()
}

func entriesOf(logger *slog.Logger, text json.RawMessage) (types.PolicyEntries, error) {
	var kind struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(text, &kind); err != nil {
		return nil, err
	}
	switch kind.Kind {
	case "NetworkPolicy":
		var one slimv1.NetworkPolicy
		if err := json.Unmarshal(text, &one); err != nil {
			return nil, err
		}
		return k8s.ParseNetworkPolicy(logger, "default", &one)
	case "CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy":
		// The agent reads both as this one: without a namespace it is clusterwide.
		var one ciliumv2.CiliumNetworkPolicy
		if err := json.Unmarshal(text, &one); err != nil {
			return nil, err
		}
		rules, err := one.Parse(logger, "default")
		return utils.RulesToPolicyEntries(rules), err
	}
	return nil, fmt.Errorf("kind %q is no policy", kind.Kind)
}

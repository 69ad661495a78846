// Command gateway-translator says what the Gateway API and Ingress parts of Cilium's operator make of a set of Kubernetes objects.
// It runs their own reconcilers, unchanged, on a client in memory: no API server, milliseconds a set.
//
// Standard input has JSON documents, each a set:
//
//	{"id": "...", "orders": [1, 2], "objects": [...]}
//
// For each there is one line of JSON: what the API server would refuse of it, and what comes of it for each order. An order is the seed
// by which each list of objects is shuffled: the operator's own cache answers from a map, so that no order is defined, and what depends
// on it may come out either way in a cluster.
//
// The command admissions answers another question: whom NetworkPolicies let in, by the policy engine of Cilium's agent.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
)

type set struct {
	ID      string            `json:"id"`
	Orders  []int64           `json:"orders"`
	Objects []json.RawMessage `json:"objects"`
}

type answer struct {
	ID string `json:"id"`
	// Objects that the API server would not have taken, and why; nothing was translated then.
	Refused  []string  `json:"refused,omitempty"`
	Outcomes []outcome `json:"outcomes,omitempty"`
}

type outcome struct {
	// The first order of which this comes; others that come out the same are not told again.
	Order int64 `json:"order"`
	// CiliumEnvoyConfigs.
	Configs []any `json:"configs"`
	// What reconcilers said of objects that they could not do.
	Failures []string `json:"failures,omitempty"`
	// Conditions of the parents of routes.
	Routes []routeStatus `json:"routes,omitempty"`
}

func main() {
	var definitions []string
	var verbose bool
	command := &cobra.Command{
		Use:           "gateway-translator",
		Short:         "What Cilium's operator makes of sets of objects (JSON documents on standard input)",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(*cobra.Command, []string) error {
			return serve(definitions, verbose, os.Stdin, os.Stdout)
		},
	}
	command.AddCommand(&cobra.Command{
		Use:   "admissions",
		Short: "Whom policies let in to pods, by the policy engine of Cilium's agent (JSON documents on standard input)",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return answerAll(os.Stdin, os.Stdout, func(asked question) (*admissions, error) {
				answered, err := admit(slog.New(slog.DiscardHandler), asked)
				return answered, named(asked.ID, err)
			})
		},
	})
	command.Flags().StringArrayVar(&definitions, "definitions", nil, "folder of CustomResourceDefinitions; may be given again")
	command.Flags().BoolVar(&verbose, "verbose", false, "show the operator's log on standard error")
	if err := command.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "gateway-translator:", err)
		os.Exit(1)
	}
}

func serve(folders []string, verbose bool, in io.Reader, out io.Writer) error {
	logger := slog.New(slog.DiscardHandler)
	if verbose {
		logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	api, err := newDefinitions(folders)
	if err != nil {
		return err
	}
	operator, err := newOperator(logger)
	if err != nil {
		return err
	}
	return answerAll(in, out, func(next set) (*answer, error) {
		translated, err := translate(api, operator, next)
		return translated, named(next.ID, err)
	})
}

func named(id string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("set %q: %w", id, err)
}

// answerAll answers each JSON document with a line.
func answerAll[Q, A any](in io.Reader, out io.Writer, answer func(Q) (*A, error)) error {
	asked := json.NewDecoder(bufio.NewReader(in))
	lines := bufio.NewWriter(out)
	for {
		var next Q
		if err := asked.Decode(&next); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		answered, err := answer(next)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(lines).Encode(answered); err != nil {
			return err
		}
		// Who asks waits for the line.
		if err := lines.Flush(); err != nil {
			return err
		}
	}
}

func translate(api *definitions, operator *operator, next set) (*answer, error) {
	result := &answer{ID: next.ID}
	stored, refused, err := api.store(next.Objects)
	if err != nil {
		return nil, err
	}
	if len(refused) > 0 {
		result.Refused = refused
		return result, nil
	}
	seen := map[string]bool{}
	for _, order := range next.Orders {
		one, err := operator.run(stored, order)
		if err != nil {
			return nil, err
		}
		digest, err := json.Marshal([]any{one.Configs, one.Failures})
		if err != nil {
			return nil, err
		}
		if !seen[string(digest)] {
			seen[string(digest)] = true
			result.Outcomes = append(result.Outcomes, *one)
		}
	}
	return result, nil
}

package main

import (
	"context"
	"reflect"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/meta/testrestmapper"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// registry stands where a manager would: it keeps the reconcilers that are added to it, and gives them the world as their client.
type registry struct {
	// Whatever else a manager can do is asked for by nobody, and would panic.
	manager.Manager
	scheme      *runtime.Scheme
	mapper      meta.RESTMapper
	reconcilers map[string]reconcile.Reconciler
	world       *world
}

func newRegistry(scheme *runtime.Scheme) *registry {
	return &registry{scheme: scheme, reconcilers: map[string]reconcile.Reconciler{}, world: newWorld(scheme)}
}

func (r *registry) GetClient() client.Client                { return r.world }
func (r *registry) GetScheme() *runtime.Scheme              { return r.scheme }
func (r *registry) GetFieldIndexer() client.FieldIndexer    { return r }
func (r *registry) GetCache() cache.Cache                   { return nil }
func (r *registry) GetLogger() logr.Logger                  { return logr.Discard() }
func (r *registry) GetControllerOptions() config.Controller { return config.Controller{} }

func (r *registry) GetRESTMapper() meta.RESTMapper {
	if r.mapper == nil {
		// The scheme is complete when controllers ask: they are registered after their kinds.
		r.mapper = testrestmapper.TestOnlyStaticRESTMapper(r.scheme)
	}
	return r.mapper
}

func (r *registry) Add(runnable manager.Runnable) error {
	if reconciler, ok := runnable.(reconcile.Reconciler); ok {
		r.reconcilers[nameOf(runnable)] = reconciler
	}
	return nil
}

func (r *registry) IndexField(_ context.Context, object client.Object, field string, values client.IndexerFunc) error {
	r.world.index(object, field, values)
	return nil
}

// nameOf is the name of a controller that a cell has added to its manager. Its type is internal to controller-runtime.
func nameOf(runnable manager.Runnable) string {
	value := reflect.Indirect(reflect.ValueOf(runnable))
	if value.Kind() != reflect.Struct {
		return ""
	}
	if name := value.FieldByName("Name"); name.IsValid() && name.Kind() == reflect.String {
		return name.String()
	}
	return ""
}

package main

import (
	"context"
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// world is a client in memory. It answers as the operator's cache does: with the kind of each object, and in no order.
//
// What reconcilers write is always the whole object as they want it, so that a patch replaces it as an update does.
type world struct {
	// What nobody asks for would panic.
	client.Client
	scheme  *runtime.Scheme
	indexes map[schema.GroupVersionKind]map[string]client.IndexerFunc
	objects map[schema.GroupVersionKind]map[types.NamespacedName]client.Object
	order   *rand.Rand
}

func newWorld(scheme *runtime.Scheme) *world {
	return &world{scheme: scheme, indexes: map[schema.GroupVersionKind]map[string]client.IndexerFunc{}}
}

func (w *world) index(object client.Object, field string, values client.IndexerFunc) {
	gvk := w.kind(object)
	if w.indexes[gvk] == nil {
		w.indexes[gvk] = map[string]client.IndexerFunc{}
	}
	w.indexes[gvk][field] = values
}

// begin replaces everything. Lists are shuffled by the seed from now on.
func (w *world) begin(objects []client.Object, seed int64) {
	w.objects = map[schema.GroupVersionKind]map[types.NamespacedName]client.Object{}
	w.order = rand.New(rand.NewSource(seed))
	for _, object := range objects {
		w.put(object)
	}
}

func (w *world) Scheme() *runtime.Scheme { return w.scheme }

func (w *world) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	gvk := w.kind(into)
	found, ok := w.objects[gvk][key]
	if !ok {
		return w.missing(gvk, key)
	}
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(found.DeepCopyObject()).Elem())
	return nil
}

func (w *world) List(_ context.Context, into client.ObjectList, options ...client.ListOption) error {
	wanted := client.ListOptions{}
	wanted.ApplyOptions(options)
	gvk := w.kind(into)
	gvk.Kind = strings.TrimSuffix(gvk.Kind, "List")
	var found []runtime.Object
	for _, key := range w.keys(gvk) {
		object := w.objects[gvk][key]
		fits, err := w.fits(gvk, object, wanted)
		if err != nil {
			return err
		}
		if fits {
			found = append(found, object.DeepCopyObject())
		}
	}
	w.order.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	return meta.SetList(into, found)
}

func (w *world) fits(gvk schema.GroupVersionKind, object client.Object, wanted client.ListOptions) (bool, error) {
	if wanted.Namespace != "" && object.GetNamespace() != wanted.Namespace {
		return false, nil
	}
	if wanted.LabelSelector != nil && !wanted.LabelSelector.Matches(labelsOf(object)) {
		return false, nil
	}
	if wanted.FieldSelector == nil {
		return true, nil
	}
	for _, requirement := range wanted.FieldSelector.Requirements() {
		values, ok := w.indexes[gvk][requirement.Field]
		if !ok {
			return false, fmt.Errorf("%s has no index %q", gvk.Kind, requirement.Field)
		}
		if !slices.Contains(values(object), requirement.Value) {
			return false, nil
		}
	}
	return true, nil
}

func (w *world) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	gvk := w.kind(object)
	key := client.ObjectKeyFromObject(object)
	if _, there := w.objects[gvk][key]; there {
		return apierrors.NewAlreadyExists(resource(gvk), key.String())
	}
	w.put(object)
	return nil
}

func (w *world) Update(_ context.Context, object client.Object, _ ...client.UpdateOption) error {
	return w.replace(object)
}

func (w *world) Patch(_ context.Context, object client.Object, _ client.Patch, _ ...client.PatchOption) error {
	return w.replace(object)
}

func (w *world) Delete(_ context.Context, object client.Object, _ ...client.DeleteOption) error {
	gvk := w.kind(object)
	key := client.ObjectKeyFromObject(object)
	if _, there := w.objects[gvk][key]; !there {
		return w.missing(gvk, key)
	}
	delete(w.objects[gvk], key)
	return nil
}

func (w *world) Status() client.SubResourceWriter { return status{world: w} }

// status writes the status of an object that was read a moment ago; nobody else has written to it since.
type status struct {
	client.SubResourceWriter
	world *world
}

func (s status) Update(_ context.Context, object client.Object, _ ...client.SubResourceUpdateOption) error {
	return s.world.replace(object)
}

func (s status) Patch(_ context.Context, object client.Object, _ client.Patch, _ ...client.SubResourcePatchOption) error {
	return s.world.replace(object)
}

func (w *world) replace(object client.Object) error {
	gvk := w.kind(object)
	key := client.ObjectKeyFromObject(object)
	if _, there := w.objects[gvk][key]; !there {
		return w.missing(gvk, key)
	}
	w.put(object)
	return nil
}

func (w *world) put(object client.Object) {
	gvk := w.kind(object)
	if w.objects[gvk] == nil {
		w.objects[gvk] = map[types.NamespacedName]client.Object{}
	}
	kept := object.DeepCopyObject().(client.Object)
	kept.GetObjectKind().SetGroupVersionKind(gvk)
	w.objects[gvk][client.ObjectKeyFromObject(object)] = kept
}

// keys names all objects of a kind, sorted.
func (w *world) keys(gvk schema.GroupVersionKind) []types.NamespacedName {
	keys := make([]types.NamespacedName, 0, len(w.objects[gvk]))
	for key := range w.objects[gvk] {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

func (w *world) kind(object runtime.Object) schema.GroupVersionKind {
	gvk, err := apiutil.GVKForObject(object, w.scheme)
	if err != nil {
		// A reconciler that asks for a kind that it has not registered: of another version of Cilium than this was written for.
		panic(err)
	}
	return gvk
}

func (w *world) missing(gvk schema.GroupVersionKind, key types.NamespacedName) error {
	return apierrors.NewNotFound(resource(gvk), key.String())
}

func resource(gvk schema.GroupVersionKind) schema.GroupResource {
	return schema.GroupResource{Group: gvk.Group, Resource: strings.ToLower(gvk.Kind)}
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	runtimeschema "k8s.io/apimachinery/pkg/runtime/schema"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// definition is what the API server does with an object of a custom resource before it stores it, by its own code.
type definition struct {
	structural *schema.Structural
	validator  validation.SchemaValidator
	rules      *cel.Validator
}

type definitions struct {
	kinds map[runtimeschema.GroupVersionKind]definition
}

func newDefinitions(folders []string) (*definitions, error) {
	result := &definitions{kinds: map[runtimeschema.GroupVersionKind]definition{}}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("%s has no definitions", folder)
		}
		for _, file := range files {
			if err := result.read(file); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return result, nil
}

func (d *definitions) read(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var resource apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(text, &resource); err != nil {
		return err
	}
	if resource.Kind != "CustomResourceDefinition" {
		return nil
	}
	for _, version := range resource.Spec.Versions {
		if version.Schema == nil || version.Schema.OpenAPIV3Schema == nil {
			continue
		}
		internal := &apiextensions.JSONSchemaProps{}
		if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(version.Schema.OpenAPIV3Schema, internal, nil); err != nil {
			return err
		}
		structural, err := schema.NewStructural(internal)
		if err != nil {
			return err
		}
		validator, _, err := validation.NewSchemaValidator(internal)
		if err != nil {
			return err
		}
		gvk := runtimeschema.GroupVersionKind{Group: resource.Spec.Group, Version: version.Name, Kind: resource.Spec.Names.Kind}
		d.kinds[gvk] = definition{
			structural: structural,
			validator:  validator,
			rules:      cel.NewValidator(structural, true, celconfig.PerCallLimit),
		}
	}
	return nil
}

// store gives objects the defaults of their definitions, and tells what the API server would refuse. Kinds without a definition (core
// ones) are taken as they are.
func (d *definitions) store(objects []json.RawMessage) ([]*unstructured.Unstructured, []string, error) {
	var stored []*unstructured.Unstructured
	var refused []string
	for _, text := range objects {
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(text); err != nil {
			return nil, nil, err
		}
		stored = append(stored, object)
		gvk := object.GroupVersionKind()
		known, ok := d.kinds[gvk]
		if !ok {
			if gvk.Group == "gateway.networking.k8s.io" {
				return nil, nil, fmt.Errorf("no definition of %s", gvk)
			}
			continue
		}
		name := fmt.Sprintf("%s %s/%s", gvk.Kind, object.GetNamespace(), object.GetName())
		for _, complaint := range known.apply(object.Object) {
			refused = append(refused, name+": "+complaint)
		}
	}
	return stored, refused, nil
}

func (d *definition) apply(object map[string]any) []string {
	defaulting.PruneNonNullableNullsWithoutDefaults(object, d.structural)
	defaulting.Default(object, d.structural)
	problems := validation.ValidateCustomResource(nil, object, d.validator)
	problems = append(problems, listtype.ValidateListSetsAndMaps(nil, d.structural, object)...)
	if len(problems) == 0 && d.rules != nil {
		broken, _ := d.rules.Validate(context.Background(), nil, d.structural, object, nil, celconfig.RuntimeCELCostBudget)
		problems = append(problems, broken...)
	}
	var complaints []string
	for _, problem := range problems {
		complaints = append(complaints, problem.Error())
	}
	return complaints
}

// typed makes the Go type of an object, as a client of the API server would read it.
func typed(scheme *runtime.Scheme, object *unstructured.Unstructured) (client.Object, error) {
	made, err := scheme.New(object.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	result, ok := made.(client.Object)
	if !ok {
		return nil, fmt.Errorf("%T is no object", made)
	}
	return result, runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, result)
}

//! The messages around records, which every signal has: resources, and scopes in them.

use opentelemetry_proto::tonic::{
    common::v1::InstrumentationScope,
    metrics::v1::{Metric, ResourceMetrics, ScopeMetrics},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};

use super::{Bounds, FieldError, Origin, origin::Around};

/// What a request has of one resource.
pub(crate) trait OfResource: Sized {
    /// What it has of one scope.
    type Scope: OfScope;

    fn open(self) -> (Option<Resource>, Vec<Self::Scope>, String);

    fn close(resource: Option<Resource>, scopes: Vec<Self::Scope>, schema_url: String) -> Self;
}

/// What a request has of one scope.
pub(crate) trait OfScope: Sized {
    /// A message of the signal.
    type Item;

    fn open(self) -> (Option<InstrumentationScope>, Vec<Self::Item>, String);

    fn close(
        scope: Option<InstrumentationScope>,
        items: Vec<Self::Item>,
        schema_url: String,
    ) -> Self;
}

/// The message of a signal.
pub(crate) type ItemOf<R> = <<R as OfResource>::Scope as OfScope>::Item;

/// Makes the messages around records openable, by the names of their fields.
macro_rules! layers {
    ($of_resource:ident { $scopes:ident }, $of_scope:ident { $items:ident: $item:ty }) => {
        impl $crate::otlp::layers::OfResource for $of_resource {
            type Scope = $of_scope;

            fn open(self) -> (Option<Resource>, Vec<$of_scope>, String) {
                (self.resource, self.$scopes, self.schema_url)
            }

            fn close(
                resource: Option<Resource>,
                $scopes: Vec<$of_scope>,
                schema_url: String,
            ) -> Self {
                Self {
                    resource,
                    $scopes,
                    schema_url,
                }
            }
        }

        impl $crate::otlp::layers::OfScope for $of_scope {
            type Item = $item;

            fn open(self) -> (Option<InstrumentationScope>, Vec<$item>, String) {
                (self.scope, self.$items, self.schema_url)
            }

            fn close(
                scope: Option<InstrumentationScope>,
                $items: Vec<$item>,
                schema_url: String,
            ) -> Self {
                Self {
                    scope,
                    $items,
                    schema_url,
                }
            }
        }
    };
}

pub(in crate::otlp) use layers;

layers!(ResourceSpans { scope_spans }, ScopeSpans { spans: Span });
layers!(
    ResourceMetrics { scope_metrics },
    ScopeMetrics { metrics: Metric }
);

/// Hands out each message of a request with where it comes from. A resource or scope that is bad or beyond
/// the bounds refuses what is in it.
pub(super) fn walk<R: OfResource>(
    request: Vec<R>,
    bounds: &Bounds,
    mut each: impl FnMut(ItemOf<R>, Result<&Origin, &FieldError>),
) {
    for of_resource in request {
        let (resource, of_scopes, schema_url) = of_resource.open();
        let resource = bounds
            .check_resource(resource.as_ref())
            .and_then(|()| Origin::of_resource(resource, schema_url));
        for of_scope in of_scopes {
            let (scope, items, schema_url) = of_scope.open();
            let origin = resource.as_ref().map_err(Clone::clone).and_then(|origin| {
                bounds.check_scope(scope.as_ref())?;
                origin.with_scope(scope, schema_url)
            });
            for item in items {
                each(item, origin.as_ref());
            }
        }
    }
}

/// The request in which messages go out, in their order. Neighbours of one resource and one scope share
/// them.
pub(super) fn assemble<R: OfResource>(
    messages: impl IntoIterator<Item = (Around, ItemOf<R>)>,
) -> Vec<R> {
    let mut groups: Vec<(Around, Vec<ItemOf<R>>)> = Vec::new();
    for (around, message) in messages {
        match groups.last_mut() {
            Some((last, messages)) if *last == around => messages.push(message),
            _ => groups.push((around, vec![message])),
        }
    }
    let mut request: Vec<(Option<Resource>, Vec<R::Scope>, String)> = Vec::new();
    for (around, messages) in groups {
        let scope = R::Scope::close(around.scope, messages, around.scope_schema_url);
        match request.last_mut() {
            Some((resource, scopes, schema_url))
                if *resource == around.resource && *schema_url == around.resource_schema_url =>
            {
                scopes.push(scope);
            }
            _ => request.push((around.resource, vec![scope], around.resource_schema_url)),
        }
    }
    let request = request.into_iter();
    request
        .map(|(resource, scopes, schema_url)| R::close(resource, scopes, schema_url))
        .collect()
}

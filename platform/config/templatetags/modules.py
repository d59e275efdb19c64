"""{% module "js/pages/home.js" %}: a page's script, and a hint to fetch what it cannot begin without."""

from django import template
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from config.static import needs_of

register = template.Library()


@register.simple_tag
def module(name: str) -> SafeString:
    preloads = format_html_join(
        "", '<link rel="modulepreload" href="{}">', ((static(needed),) for needed in needs_of(name))
    )
    return format_html('{}<script type="module" src="{}"></script>', preloads, static(name))

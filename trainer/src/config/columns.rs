//! The canonical columns of each table, with their names in exports of well-known systems.
//!
//! Each entry has a column's name, its meaning and its aliases. Names are matched without case, spaces and
//! punctuation; `name|other` matches only in files that also have a column `other`. To support another export, add
//! its names here.

use super::Table;

/// A canonical column.
#[derive(Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    /// The canonical name, in the configuration and in files.
    pub name: &'static str,
    /// The meaning, in one phrase.
    pub meaning: &'static str,
    /// Aliases, the most certain first.
    pub aliases: &'static [&'static str],
}

const fn column(name: &'static str, meaning: &'static str, aliases: &'static [&'static str]) -> ColumnInfo {
    ColumnInfo { name, meaning, aliases }
}

/// A column of the orders. Its table entry is `Table::Orders.columns()[role as usize]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderColumn {
    /// The basket.
    OrderId,
    /// The number of the line within a basket, if the source has one.
    LineId,
    /// The person.
    UserId,
    /// The item.
    ItemId,
    /// The time of purchase.
    OrderedAt,
    /// Pieces.
    Quantity,
    /// Price of one piece.
    UnitPrice,
    /// Price of all pieces.
    LineTotal,
    /// Sales channel.
    Channel,
    /// Shop or till.
    StoreId,
    /// Livestream room.
    RoomId,
    /// Seller.
    MerchantId,
    /// The status of the purchase, such as paid or cancelled.
    Status,
    /// Time of the line's last change.
    UpdatedAt,
}

impl OrderColumn {
    /// Every column, in the order of the table.
    pub const ALL: [Self; 14] = [
        Self::OrderId,
        Self::LineId,
        Self::UserId,
        Self::ItemId,
        Self::OrderedAt,
        Self::Quantity,
        Self::UnitPrice,
        Self::LineTotal,
        Self::Channel,
        Self::StoreId,
        Self::RoomId,
        Self::MerchantId,
        Self::Status,
        Self::UpdatedAt,
    ];

    /// The canonical name.
    pub fn name(self) -> &'static str {
        ORDERS[self as usize].name
    }

    /// The column of a canonical name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }
}

/// A column of the events; see [`OrderColumn`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventColumn {
    /// The event.
    EventId,
    /// The event's type.
    Type,
    /// The event's time.
    OccurredAt,
    /// The person.
    UserId,
    /// The visit.
    SessionId,
    /// The item.
    ItemId,
    /// Sales channel.
    Channel,
    /// The page or room where it happened.
    Scene,
    /// Livestream room.
    RoomId,
    /// The id of the recommendation request whose answer was shown.
    RequestId,
    /// Price of one piece.
    Value,
    /// The order that a purchase belongs to.
    OrderId,
    /// True if the event was sent by the shopper's own device.
    Storefront,
}

impl Table {
    /// Every canonical column of the table.
    pub fn columns(self) -> &'static [ColumnInfo] {
        match self {
            Self::Orders => &ORDERS,
            Self::Items => &ITEMS,
            Self::Users => &USERS,
            Self::Identities => &IDENTITIES,
            Self::Events => &EVENTS,
        }
    }

    /// The canonical names, in order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.columns().iter().map(|column| column.name)
    }

    /// The aliases of a canonical column.
    pub fn aliases(self, name: &str) -> &'static [&'static str] {
        self.columns().iter().find(|column| column.name == name).map_or(&[], |column| column.aliases)
    }
}

/// A column name without case, spaces and punctuation.
pub fn folded(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[rustfmt::skip]
static ORDERS: [ColumnInfo; 14] = [
    column("order_id", "the basket", &[
        "订单编号", "訂單編號", "訂單號碼", "訂單號", "订单号", "订单id", "主订单编号", "子订单编号", "订单序号", "商户订单号", "交易单号",
        "交易编号", "交易号", "流水号", "小票号", "小票编号", "单据号", "单据编号", "单号", "销售单号", "结算单号",
        "账单号", "处方号", "order number", "order no", "ordernum", "order", "order reference", "order name",
        "orderkey", "sales order", "salesordernumber", "transaction id", "transactionid", "transaction no",
        "transaction number", "transaction", "trans id", "txn id", "invoice no", "invoiceno", "invoice number",
        "invoice id", "invoice", "receipt no", "receipt number", "receipt id", "receipt", "bill no", "bill number",
        "billing document", "ticket", "ticket number", "ticket id", "basket id", "basket", "cart id", "sale id",
        "sales id", "check number", "increment id", "payment id", "document number", "vbeln", "bon nr",
        "belegnummer", "bestellung", "bestellnummer", "auftragsnummer", "rechnungsnummer", "numéro de commande",
        "commande", "facture", "número de pedido", "pedido", "id pedido", "numero ordine", "注文番号", "注文id",
        "伝票番号", "주문번호", "주문 번호", "номер заказа", "заказ", "order_sn", "trade_no", "tid",
        "name|lineitem name", "name|lineitem sku", "name|lineitem quantity", "id|line_items.quantity",
        "id|line_items.sku", "id|line_items.product_id", "id|items.sku", "order_no",
    ]),
    column("line_id", "the line within its basket", &[
        "行号", "明细编号", "明细id", "子订单号", "line no", "line number", "line item id", "lineitem id",
        "order item id", "order line", "order line id", "orderlineid", "order detail id", "item line", "row id",
        "rowid", "行 id", "posnr", "oid",
    ]),
    column("user_id", "the person", &[
        "會員編號", "會員", "客戶編號", "顧客編號", "买家会员名", "会员号", "会员编号", "会员卡号", "会员id", "会员名", "会员", "会员账号", "买家账号",
        "买家昵称", "买家id", "买家", "用户id", "用户编号", "用户标识", "用户名", "用户", "客户编号", "客户id",
        "客户号", "客户代码", "客户名称", "客户", "顾客编号", "顾客id", "顾客", "下单人", "下单用户", "下单账号",
        "openid", "unionid", "手机号", "手机号码", "收货人手机号", "会员手机号", "患者编号", "患者id",
        "customer id", "customerid", "customer number", "customer no", "customer code", "customer key", "member id",
        "member number", "member no", "memberid", "member", "buyer id", "buyer", "client id", "client",
        "shopper id", "household key", "household id", "household", "card id", "card number", "card no",
        "loyalty id", "loyalty card", "visitor id", "visitorid", "user", "userid", "uid", "customer email", "email",
        "billing email", "customer", "customername", "customer name", "cust id", "account id", "kunnr",
        "customer.id", "customer.email", "buyer.id", "user.id", "kunde", "kundennummer", "kunden nr", "client n°",
        "numéro client", "cliente", "id cliente", "codice cliente", "顧客id", "顧客番号", "会員番号", "会員id",
        "고객번호", "고객id", "회원번호", "회원id", "구매자id", "клиент", "покупатель", "phone",
    ]),
    column("item_id", "the item", &[
        "商品編號", "商品編碼", "貨號", "品號", "商品名稱", "商家编码", "商品编码", "商品编号", "商品id", "商品货号", "货号", "商品条码", "条码", "条形码", "sku编码",
        "sku编号", "skuid", "sku id", "sku", "规格编码", "外部sku编码", "商品代码", "单品编码", "物料编码",
        "药品编码", "药品编号", "菜品编码", "菜品编号", "菜品id", "菜品名称", "菜品", "药品名称", "宝贝id",
        "宝贝标题", "商品名称", "商品标题", "商品名", "商品", "品名", "产品编号", "产品编码", "产品id", "产品名称",
        "产品", "lineitem sku", "line item sku", "variant sku", "product sku", "item sku", "seller sku",
        "product id", "productid", "product code", "productcode", "product key", "product number", "product no",
        "item code", "itemid", "item number", "item no", "itemnumber", "stock code", "stockcode", "article id",
        "article no", "article number", "article", "material", "material number", "matnr", "upc", "ean", "gtin",
        "barcode", "asin", "plu", "plu code", "line_items.sku", "line_items.product_id", "items.sku",
        "items.product_id", "items.item_id", "products.id", "lineitem name", "item", "item name", "itemname",
        "item description", "itemdescription", "product name", "productname", "product", "product title",
        "description", "movie id", "book id", "track id", "artikel", "artikelnummer", "artikel nr", "produkt",
        "produit", "référence", "code article", "producto", "código", "articulo", "artículo", "prodotto",
        "codice articolo", "商品コード", "商品番号", "品番", "상품번호", "상품코드", "상품명", "товар", "артикул",
        "orders.item_id", "orders.outer_item_id", "order_details.sku_id", "order_details.item_id", "num_iid", "goods id", "goods_sn", "spu id", "item ids", "items", "skus", "product ids", "products",
        "商品列表", "商品清单", "商品明细",
    ]),
    column("ordered_at", "the time of purchase", &[
        "付款時間", "下單時間", "訂單時間", "訂單日期", "交易日期", "订单付款时间", "付款时间", "支付时间", "支付完成时间", "下单时间", "订单创建时间", "成交时间", "交易时间",
        "结账时间", "结算时间", "收银时间", "销售时间", "订单时间", "下单日期", "订单日期", "销售日期",
        "消费时间", "消费日期", "购买时间", "购买日期", "创建时间", "营业日期", "开单时间", "开单日期", "时间",
        "日期", "paid at", "paid time", "payment time", "payment date", "created at", "created_time", "created",
        "order date", "orderdate", "order time", "order datetime", "date created", "purchase date", "purchased at",
        "purchase time", "purchased on", "order_created_at", "transaction date", "transaction datetime",
        "transaction time", "trans date", "txn date", "invoice date", "invoicedate", "sale date", "sales date",
        "sold at", "sale time", "receipt date", "billing date", "fkdat", "date/time", "date time", "datetime",
        "timestamp", "event time", "event_timestamp", "pay time", "time stamp", "date", "day", "time", "datum",
        "bestelldatum", "kaufdatum", "date de commande", "date commande", "fecha", "fecha pedido",
        "fecha de compra", "data", "data ordine", "data do pedido", "注文日時", "注文日", "購入日", "日時",
        "주문일시", "주문일", "결제일", "결제일시", "дата", "дата заказа", "created_at.$date", "createdat.$date", "week", "ts", "dt", "ds",
    ]),
    column("quantity", "pieces", &[
        "購買數量", "數量", "购买数量", "商品数量", "宝贝数量", "宝贝总数量", "数量", "件数", "销售数量", "销量", "份数",
        "lineitem quantity", "line item quantity", "line_items.quantity", "items.quantity", "products.quantity",
        "qty", "qty ordered", "quantity ordered", "quantityordered", "order quantity", "item quantity", "item qty",
        "units", "pieces", "count", "menge", "anzahl", "stückzahl", "quantité", "qté", "cantidad", "quantità",
        "quantidade", "数量(件)", "個数", "수량", "количество", "кол-во", "units sold", "sales qty", "fkimg", "num", "orders.num", "order_details.num",
    ]),
    column("unit_price", "the price of one piece", &[
        "單價", "價格", "商品单价", "单价", "商品价格", "价格", "售价", "实际售价", "成交单价", "销售单价", "lineitem price",
        "line item price", "line_items.price", "items.price", "products.price", "price", "unit price", "unitprice",
        "price each", "priceeach", "item price", "item_cost", "sale price", "selling price", "product price",
        "preis", "einzelpreis", "stückpreis", "prix", "prix unitaire", "precio", "precio unitario", "prezzo",
        "preço", "単価", "価格", "단가", "가격", "цена",
    ]),
    column("line_total", "the price of all pieces of the line", &[
        "商品金额", "商品总价", "小计", "金额", "实付金额", "销售金额", "成交金额", "应结订单金额", "实收金额",
        "销售额", "line total", "linetotal", "item total", "line amount", "lineitem total", "amount", "net sales",
        "net amount", "gross sales", "sales", "sales value", "subtotal", "total price", "extended price", "revenue",
        "netwr", "betrag", "summe", "gesamtpreis", "montant", "importe", "importo", "金額", "小計", "합계", "금액",
        "결제금액", "сумма",
    ]),
    column("channel", "the sales channel", &[
        "渠道", "销售渠道", "订单来源", "来源", "平台", "下单渠道", "业务渠道", "sales channel", "source name",
        "source", "order source", "platform", "销售平台", "판매채널", "채널", "チャネル", "kanal", "canal",
    ]),
    column("store_id", "the shop or till", &[
        "门店", "门店编号", "门店编码", "门店id", "门店名称", "店铺", "店铺id", "店铺名称", "店铺编号", "分店",
        "store", "storeid", "store number", "store no", "store name", "shop id", "shop", "location", "outlet",
        "branch", "pos location name", "location name", "filiale", "magasin", "tienda", "negozio", "店舗",
        "店舗コード", "매장", "магазин", "register", "till",
    ]),
    column("room_id", "the livestream room", &[
        "直播间", "直播间id", "直播间编号", "主播id", "live room", "room", "live id", "anchor id",
    ]),
    column("merchant_id", "the seller", &[
        "商家", "商家id", "商家名称", "商户id", "商户号", "供应商", "卖家", "seller", "seller id", "vendor",
        "merchant", "vendor id", "supplier",
    ]),
    column("status", "whether the purchase lasted", &[
        "訂單狀態", "狀態", "订单状态", "交易状态", "销售类型", "单据类型", "业务类型", "状态", "支付状态", "售后状态", "退款状态", "订单交易状态", "financial status",
        "order status", "payment status", "orderstatus", "transaction status", "bestellstatus", "statut", "stato",
        "注文状況", "ステータス", "주문상태", "상태", "статус",
    ]),
    column("updated_at", "when the line was last changed", &[
        "更新时间", "修改时间", "最后修改时间", "最近更新时间", "updated", "modified at", "last modified",
        "last updated", "updated time", "modified", "update time", "aktualisiert",
    ]),
];

#[rustfmt::skip]
static ITEMS: [ColumnInfo; 13] = [
    column("item_id", "the item", &[
        "商品编码", "商品编号", "商品id", "货号", "sku", "sku id", "sku编码", "商家编码", "product id", "productid",
        "item code", "itemid", "variant sku", "article id", "stockcode", "product code",
    ]),
    column("title", "its name", &[
        "商品名称", "商品标题", "宝贝标题", "商品名", "品名", "标题", "名称", "菜品名称", "药品名称", "产品名称",
        "lineitem name", "line_items.name", "line_items.title", "items.name", "items.title", "product title",
        "product name", "productname", "item name", "item description", "itemdescription", "prod_name",
        "description", "name", "bezeichnung", "artikelbezeichnung", "désignation", "descripción", "商品名称(標題)",
        "상품명",
    ]),
    column("category", "its path of categories", &[
        "类目", "商品类目", "商品分类", "分类", "品类", "类别", "category name", "product category", "department",
        "product type", "category_code", "product_type_name", "kategorie", "catégorie", "categoría", "カテゴリ",
        "카테고리",
    ]),
    column("brand", "its brand", &[
        "品牌", "品牌名称", "brand name", "vendor", "manufacturer", "marke", "marque", "marca", "ブランド",
        "브랜드",
    ]),
    column("merchant_id", "its seller", &["商家id", "商户id", "seller id", "seller"]),
    column("price", "the price of one piece", &[
        "价格", "售价", "单价", "unit price", "sale price", "list price", "variant price",
    ]),
    column("cost", "its cost to the shop", &[
        "成本", "成本价", "进价", "采购价", "cost per item", "unit cost", "standard cost",
    ]),
    column("stock", "pieces that can be sold", &[
        "库存", "库存数量", "可售库存", "inventory", "stock quantity", "variant inventory qty", "qty in stock",
    ]),
    column("image_url", "a picture", &[
        "图片", "商品图片", "主图", "image", "image src", "image url", "img", "picture",
    ]),
    column("launched_at", "when it was first sold", &[
        "上架时间", "上市日期", "上线时间", "created at", "published at", "launch date",
    ]),
    column("tags", "free labels", &["标签", "商品标签", "tag", "labels", "keywords"]),
    column("status", "whether it can be sold", &["商品状态", "上架状态", "product status"]),
    column("store_ids", "the stores that sell it", &["门店", "可售门店", "stores"]),
];

#[rustfmt::skip]
static USERS: [ColumnInfo; 8] = [
    column("user_id", "the person", &[
        "会员号", "会员编号", "会员id", "用户id", "客户编号", "customer id", "customerid", "member id", "email",
    ]),
    column("birthday", "the day of birth", &["生日", "出生日期", "birth date", "date of birth", "dob"]),
    column("gender", "gender", &["性别", "sex", "geschlecht", "sexe"]),
    column("city", "city of residence", &[
        "城市", "所在城市", "市", "default address city", "town", "stadt", "ville", "ciudad",
    ]),
    column("lat", "degrees north", &["纬度", "latitude"]),
    column("lon", "degrees east", &["经度", "longitude", "lng"]),
    column("registered_at", "when the person registered", &[
        "注册时间", "入会时间", "注册日期", "created at", "registration date", "signup date",
    ]),
    column("tags", "free labels", &["标签", "会员标签", "labels"]),
];

#[rustfmt::skip]
static IDENTITIES: [ColumnInfo; 3] = [
    column("user_id", "the person", &["会员号", "用户id", "customer id", "member id"]),
    column("type", "the kind of name", &["类型", "kind", "id type"]),
    column("value", "the name", &["值", "identifier", "identity"]),
];

#[rustfmt::skip]
static EVENTS: [ColumnInfo; 13] = [
    column("event_id", "the event", &["事件id", "log id", "行为id"]),
    column("type", "what happened", &[
        "event type", "event", "behavior type", "behavior", "behaviour type", "behaviour", "action", "action type",
        "event name", "行为类型", "行为", "事件类型", "事件", "行为名称", "interaction",
    ]),
    column("occurred_at", "when", &[
        "event time", "timestamp", "time", "datetime", "date time", "ts", "created at", "时间", "行为时间",
        "时间戳", "发生时间", "server timestamp", "client timestamp", "time_stamp", "date",
    ]),
    column("user_id", "the person", &[
        "visitor id", "visitorid", "userid", "user", "uid", "customer id", "customerid", "会员号", "用户id",
        "用户编号", "买家id", "member id", "buyer id",
    ]),
    column("session_id", "the visit", &["user session", "session", "sessionid", "visit id", "会话id", "会话"]),
    column("item_id", "the item", &[
        "product id", "productid", "itemid", "item", "sku", "sku id", "商品id", "商品编号", "商品", "article id",
        "content id", "goods id",
    ]),
    column("channel", "the sales channel", &["渠道", "source", "platform"]),
    column("scene", "the page", &["场景", "page", "page type"]),
    column("room_id", "the livestream room", &["直播间", "直播间id", "live room", "room"]),
    column("request_id", "the request whose answer was shown", &["请求id", "trace id"]),
    column("value", "the price of one piece", &["price", "amount", "价格", "金额", "单价", "unit price"]),
    column("order_id", "the order that a purchase belongs to", &[
        "transaction id", "transactionid", "订单号", "订单编号",
    ]),
    column("storefront", "whether only the shopper's own device says so", &[]),
];

#[cfg(test)]
mod tests {
    use super::{EventColumn, OrderColumn, Table};

    #[test]
    fn roles_and_their_table_agree() {
        let names = ["order_id", "line_id", "user_id", "item_id", "ordered_at", "quantity", "unit_price"];
        assert!(OrderColumn::ALL.iter().zip(names).all(|(column, name)| column.name() == name));
        assert_eq!(OrderColumn::named("updated_at"), Some(OrderColumn::UpdatedAt));
        assert_eq!(Table::Events.columns()[EventColumn::OrderId as usize].name, "order_id");
        assert_eq!(Table::Events.columns()[EventColumn::Value as usize].name, "value");
        assert_eq!(Table::Events.columns()[EventColumn::Storefront as usize].name, "storefront");
    }
}
